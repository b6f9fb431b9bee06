from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import BadSample, Folder, KeyedSource
from concord.errors import ConfigError, DataError
from concord.images import decode
from concord.types import role_of
from tests.data.samples import encode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pets"
    (root / "cats").mkdir(parents=True)
    (root / "cats/a.1.JPG").write_bytes(encode(10, "JPEG"))
    (root / "cats/a.1.TXT").write_text("a cat\n")
    (root / "b.png").write_bytes(encode(20))
    (root / "b.json").write_text('{"captions": ["a dog", "a hound"], "width": 12}')
    (root / "b.txt").write_text("dog")
    (root / "cats/c.webp").write_bytes(encode(30, "WEBP"))
    (root / "cats/._a.1.JPG").write_bytes(b"resource fork")
    return root


def keys(source: Folder) -> list[str]:
    return [source.key(index) for index in range(len(source))]


def test_captions_beside_images(folder: Path) -> None:
    source = Folder(str(folder))
    assert isinstance(source, KeyedSource)
    assert keys(source) == ["b.png", "cats/a.1.JPG", "cats/c.webp"]
    assert source[0].captions == ("dog",)
    assert source[1].captions == ("a cat",)
    assert source.name == source[1].source == "pets"
    assert isinstance(source[0].image, bytes)
    assert decode(source[0].image).getpixel((0, 0)) == (20, 20, 20)
    assert source.location(1) == str(folder / "cats/a.1.JPG")
    with pytest.raises(BadSample, match=r"cats/c\.webp: no caption"):
        source[2]


def test_json_captions_roles_and_metadata(folder: Path) -> None:
    source = Folder(str(folder), caption="json:captions", name="dogs")
    assert source[0].captions == ("a dog", "a hound")
    assert source[0].metadata["width"] == source.metadata(0)["width"] == 12
    assert Folder(str(folder), metadata="json")[0].metadata["width"] == 12
    assert Folder(str(folder))[0].metadata == Folder(str(folder)).metadata(0) == {}
    assert source.name == "dogs"
    both = Folder(str(folder), caption={"original": "txt", "rewrite": "json:captions"})
    assert [(caption, role_of(caption)) for caption in both.captions(0)] == [
        ("dog", "original"),
        ("a dog", "rewrite"),
        ("a hound", "rewrite"),
    ]


def test_broken_json_is_a_bad_sample_where_it_is_needed(folder: Path) -> None:
    (folder / "cats/a.1.json").write_text("{")
    assert Folder(str(folder))[1].captions == ("a cat",)
    for source in (Folder(str(folder), caption=["txt", "json:captions"]), Folder(str(folder), metadata="json")):
        with pytest.raises(BadSample, match="JSON cannot be read"):
            source[1]


def test_a_process_gets_the_same_source(folder: Path) -> None:
    source = Folder(str(folder))
    assert keys(pickle.loads(pickle.dumps(source))) == keys(source)


def test_the_fingerprint_tells_names_and_fields(folder: Path) -> None:
    first = Folder(str(folder)).fingerprint()
    assert Folder(str(folder), caption="json:captions").fingerprint() != first
    (folder / "d.png").write_bytes(encode(40))
    assert Folder(str(folder)).fingerprint() != first
    (folder / "d.png").unlink()
    assert Folder(str(folder)).fingerprint() == first


def test_what_disappears_or_is_empty_is_a_bad_sample(folder: Path) -> None:
    source = Folder(str(folder))
    (folder / "b.png").write_bytes(b"")
    with pytest.raises(BadSample, match=r"b\.png: image of zero bytes"):
        source[0]
    (folder / "b.png").unlink()
    with pytest.raises(BadSample, match=r"b\.png: image "):
        source[0]
    (folder / "b.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(BadSample, match="not UTF-8"):
        source.captions(0)
    (folder / "b.txt").unlink()
    with pytest.raises(BadSample, match=r"b\.png: \.txt "):
        source.captions(0)


def test_refusals(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no such folder on this machine$"):
        Folder(str(tmp_path / "none"))
    with pytest.raises(DataError, match="behind a URL"):
        Folder("s3://bucket/pets")
    with pytest.raises(DataError, match="no image"):
        Folder(str(tmp_path / "empty"))
    with pytest.raises(DataError, match="json:captions"):
        Folder(str(folder), caption="json:caption")
    with pytest.raises(ConfigError, match="a folder has no parquet:COLUMN"):
        Folder(str(folder), caption="parquet:caption")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    other = tmp_path / "other"
    (other / "deep").mkdir(parents=True)
    (other / "secret.png").write_bytes(encode(200))
    (other / "secret.txt").write_text("a secret")
    (other / "deep/far.png").write_bytes(encode(210))
    (other / "deep/far.txt").write_text("far away")
    return other


def test_links_that_lead_out_are_left_out_unless_asked_for(folder: Path, outside: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "link.png").symlink_to(outside / "secret.png")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "cats/c.txt").symlink_to(outside / "secret.txt")
    (folder / "deep").symlink_to(outside / "deep")
    (folder / "inner.png").symlink_to("b.png")
    (folder / "inner.txt").symlink_to(folder / "b.txt")
    (folder / "broken.png").symlink_to("nothing")
    with caplog.at_level(logging.WARNING):
        source = Folder(str(folder))
    assert "4 symbolic links lead out of it" in caplog.text
    assert keys(source) == ["b.png", "cats/a.1.JPG", "cats/c.webp", "inner.png"]
    assert source[3].captions == ("dog",)
    with pytest.raises(BadSample, match="no caption"):
        source[2]
    followed = Folder(str(folder), follow_links=True)
    assert keys(followed) == ["b.png", "cats/a.1.JPG", "cats/c.webp", "deep/far.png", "inner.png", "link.png"]
    assert [followed.captions(index) for index in (2, 3, 5)] == [("a secret",), ("far away",), ("a secret",)]


def test_links_in_circles_end(folder: Path, outside: Path) -> None:
    (folder / "cats/up").symlink_to(folder)
    (folder / "aside").symlink_to(outside)
    (outside / "back").symlink_to(folder / "cats")
    for follow in (False, True):
        source = Folder(str(folder), follow_links=follow)
        assert len(set(keys(source))) == len(source) == (5 if follow else 3)


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shortcut").symlink_to(folder)
    assert keys(Folder(str(tmp_path / "shortcut"))) == keys(Folder(str(folder)))


def test_pipes_are_not_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "cats/c.txt")
    source = Folder(str(folder))
    assert keys(source) == ["b.png", "cats/a.1.JPG", "cats/c.webp"]
    with pytest.raises(BadSample, match="no caption"):
        source[2]


def test_names_that_are_not_utf8(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (folder / name).write_bytes(encode(50))
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("coffee")
    source = Folder(str(folder))
    (index,) = (index for index, key in enumerate(keys(source)) if key == name)
    assert source[index].captions == ("coffee",)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.binary(max_size=30), document=st.binary(max_size=30) | st.just(b'{"captions": [1, ["x"], {"text": "y"}]}'))
def test_any_bytes_beside_an_image_are_captions_or_a_bad_sample(folder: Path, text: bytes, document: bytes) -> None:
    (folder / "cats/c.txt").write_bytes(text)
    (folder / "cats/c.json").write_bytes(document)
    for field in ("txt", "json:captions"):
        source = Folder(str(folder), caption=field)
        try:
            captions = source[2].captions
        except BadSample as bad:
            captions = (bad.cause,)
        assert captions
        assert all(caption.strip() for caption in captions)
