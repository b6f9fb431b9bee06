from __future__ import annotations

from pathlib import Path

import pytest

from concord.data import BadSample, Folder, KeyedSource
from concord.errors import DataError
from concord.images import decode
from tests.data.samples import encode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pets"
    (root / "cats").mkdir(parents=True)
    (root / "cats/a.1.JPG").write_bytes(encode(10, "JPEG"))
    (root / "cats/a.1.txt").write_text("a cat\n")
    (root / "b.png").write_bytes(encode(20))
    (root / "b.json").write_text('{"captions": ["a dog", "a hound"]}')
    (root / "b.txt").write_text("dog")
    (root / "cats/c.webp").write_bytes(encode(30, "WEBP"))
    return root


def test_captions_beside_images(folder: Path) -> None:
    source = Folder(str(folder))
    assert isinstance(source, KeyedSource)
    assert [source.key(index) for index in range(len(source))] == ["b.png", "cats/a.1.JPG", "cats/c.webp"]
    assert source[0].captions == ("dog",)
    assert source[1].captions == ("a cat",)
    assert source.name == source[1].source == "pets"
    assert decode(source[0].image).getpixel((0, 0)) == (20, 20, 20)
    with pytest.raises(BadSample, match=r"cats/c\.webp: no caption"):
        source[2]


def test_json_captions(folder: Path) -> None:
    source = Folder(str(folder), caption="json:captions", name="dogs")
    assert source[0].captions == ("a dog", "a hound")
    assert source.name == "dogs"


def test_refusals(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no such folder"):
        Folder(str(tmp_path / "none"))
    with pytest.raises(DataError, match="no image"):
        Folder(str(tmp_path / "empty"))
    with pytest.raises(DataError, match="json:captions"):
        Folder(str(folder), caption="json:caption")
