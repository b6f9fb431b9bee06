from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import BadSample, KeyedSource, Shards, Storage
from concord.data.source import Blocked, Described, Fingerprinted, Located, block_sizes
from concord.errors import DataError
from concord.images import decode
from concord.types import Pair
from tests.data.samples import Content, encode, write_tar

EMOJI = Path(os.environ.get("CONCORD_EMOJI", Path(__file__).resolve().parents[3] / "shared/data/emoji"))


def triple(key: str, shade: int = 0) -> list[tuple[str, Content]]:
    return [
        (f"{key}.png", encode(shade)),
        (f"{key}.txt", f"text of {key}"),
        (f"{key}.json", {"names": {"en": f"name of {key}"}, "number": shade}),
    ]


def pair_or_bad(source: Shards, index: int) -> Pair | BadSample:
    try:
        return source[index]
    except BadSample as bad:
        return bad


def test_reads_every_example_at_random(tmp_path: Path) -> None:
    for shard in range(3):
        write_tar(
            tmp_path / f"s-{shard}.tar", [member for number in range(4) for member in triple(f"{shard}{number}", 40 * number + shard)]
        )
    source = Shards(str(tmp_path))
    assert isinstance(source, KeyedSource)
    assert (len(source), source.name) == (12, tmp_path.name)
    for index in (11, 0, 5, 5, 3):
        pair = source[index]
        assert pair.key == source.key(index) == f"{index // 4}{index % 4}"
        assert pair.captions == source.captions(index) == (f"text of {pair.key}",)
        assert decode(pair.image).getpixel((0, 0)) == (40 * (index % 4) + index // 4,) * 3


def test_captions_from_json_bring_the_metadata(tmp_path: Path) -> None:
    pair = Shards(str(write_tar(tmp_path / "a.tar", triple("k", 7))), caption=["json:names.en", "txt"])[0]
    assert pair.captions == ("name of k", "text of k")
    assert pair.metadata["number"] == 7


def test_members_are_grouped_by_all_before_the_last_dot(tmp_path: Path) -> None:
    members: list[tuple[str, Content]] = [
        ("img_1.2.JPG", encode(1, "JPEG")),
        ("b/x.webp", encode(2, "WEBP")),
        ("b/x.Txt", "two"),
        ("img_1.2.txt", "one"),  # not beside its image
        ("b/._x.png", b"resource fork"),
        ("b/x.npy", b"no kind that is known"),
        ("README", b"no suffix"),
    ]
    source = Shards(str(write_tar(tmp_path / "a.tar", members)))
    assert [(source[i].key, source[i].captions) for i in range(len(source))] == [("img_1.2", ("one",)), ("b/x", ("two",))]


def test_names_are_never_paths(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    before = sorted(tmp_path.rglob("*"))
    path = write_tar(tmp_path / "a.tar", [*triple("../../evil"), *triple("/etc/absolute"), *triple("a/../b")])
    source = Shards(str(path))
    assert [source[index].captions[0] for index in range(len(source))] == ["text of ../../evil", "text of /etc/absolute", "text of a/../b"]
    assert sorted(tmp_path.rglob("*")) == [path, *before]


def test_incomplete_examples_are_bad_samples_with_a_cause(tmp_path: Path) -> None:
    members: list[tuple[str, Content]] = [
        *triple("good"),
        ("no-text.png", encode()),
        ("no-image.txt", "a"),
        ("empty.png", b""),
        ("empty.txt", "a"),
        ("blank.png", encode()),
        ("blank.txt", " \n"),
        ("latin.png", encode()),
        ("latin.txt", "é".encode("latin-1")),
    ]
    source = Shards(str(write_tar(tmp_path / "a.tar", members)))
    causes = {}
    for index in range(1, len(source)):
        with pytest.raises(BadSample) as caught:
            source[index]
        causes[caught.value.key] = caught.value.cause
    assert causes == {
        "no-text": "no caption",
        "no-image": "no image",
        "empty": "image of zero bytes",
        "blank": "no caption",
        "latin": "caption is not UTF-8",
    }


def test_broken_json_matters_only_where_it_is_read(tmp_path: Path) -> None:
    path = str(write_tar(tmp_path / "a.tar", [*triple("a"), ("b.png", encode()), ("b.txt", "fine"), ("b.json", b"{broken")]))
    assert Shards(path)[1].captions == ("fine",)
    with pytest.raises(BadSample, match="JSON cannot be read"):
        Shards(path, caption="json:names.en")[1]


def test_the_first_of_repeated_names_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_tar(tmp_path / "a.tar", [("k.png", encode(1)), ("k.txt", "first"), ("k.txt", "second"), ("k.jpg", encode(9, "JPEG"))])
    source = Shards(str(path))
    assert (len(source), source[0].captions) == (1, ("first",))
    assert decode(source[0].image).getpixel((0, 0)) == (1, 1, 1)
    assert "2 members repeat" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>not found</html>" * 50, "is not an uncompressed tar"),
        (gzip.compress(bytes(4000), mtime=0), "is compressed with gzip, and is not an uncompressed tar.*unpack it"),
        (bz2.compress(bytes(4000)), "is compressed with bzip2"),
        (lzma.compress(bytes(4000)), "is compressed with xz"),
        (b"<html>404</html>", "is not an uncompressed tar"),
        (b"", "no image"),
    ],
    ids=["page", "gzip", "bzip2", "xz", "small page", "empty"],
)
def test_a_shard_that_is_no_tar_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.tar").write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.tar.*{message}"):
        Shards(str(tmp_path / "bad.tar"))


def test_a_gap_of_noise_is_refused_with_its_place(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", triple("a") + triple("b"))
    raw = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        place = tar.getmembers()[3].offset
    raw[place : place + 512] = b"#" * 512
    path.write_bytes(bytes(raw))
    with pytest.raises(DataError, match=f"damaged at byte {place}"):
        Shards(str(path))


def test_a_shard_cut_in_the_middle_keeps_what_is_whole(tmp_path: Path) -> None:
    path = write_tar(
        tmp_path / "a.tar",
        [("a.txt", "a"), ("a.png", encode()), ("b.txt", "b"), ("b.png", encode(3, "PNG", 64)), ("c.txt", "c"), ("c.png", encode())],
    )
    with tarfile.open(path) as tar:
        cut = tar.getmember("b.png").offset_data + 20
    path.write_bytes(path.read_bytes()[:cut])
    source = Shards(str(path))
    assert source[0].key == "a"
    with pytest.raises(BadSample, match="ends before") as caught:
        source[1]
    assert caught.value.key == "b"


def test_shards_that_vanish_or_shrink_later_give_bad_samples(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", triple("a"))
    source = Shards(str(path))
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BadSample, match="ends before"):
        source[0]
    path.unlink()
    with pytest.raises(BadSample, match="cannot be read") as caught:
        source[0]
    assert caught.value.cause == "shard cannot be read (file not found)"


def test_captions_that_are_nowhere_are_refused_with_the_nearest_path(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", triple("a"))
    with pytest.raises(DataError, match=r"no usable caption.*json:names\.en"):
        Shards(str(path), caption="json:name.en")


def test_shards_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image in it"):
        Shards(str(write_tar(tmp_path / "a.tar", [("a.txt", "text"), ("a.gif", b"GIF89a")])))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
            st.sampled_from(["jpg", "PNG", "jpeg", "webp", "txt", "json", "cls", ""]),
            st.binary(max_size=40),
        ),
        max_size=12,
    )
)
def test_wild_members_are_pairs_or_bad_samples(tmp_path: Path, members: list[tuple[str, str, bytes]]) -> None:
    path = write_tar(tmp_path / "a.tar", [*triple("good"), *((f"{stem}.{suffix}", content) for stem, suffix, content in members if stem)])
    source = Shards(str(path))
    assert source[0].key == "good"
    for index in range(len(source)):
        found = pair_or_bad(source, index)
        assert found.key == source.key(index)
        assert isinstance(found, BadSample) or (found.captions and isinstance(found.image, bytes))
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=3000), st.integers(0, 4000))
def test_arbitrary_bytes_are_refused_or_give_bad_samples(tmp_path: Path, noise: bytes, place: int) -> None:
    path = write_tar(tmp_path / "a.tar", triple("a") + triple("b"))
    content = path.read_bytes()
    path.write_bytes(content[:place] + noise + content[place + len(noise) :])
    try:
        source = Shards(str(path))
    except DataError:
        return
    for index in range(len(source)):
        pair_or_bad(source, index)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar"]


def test_links_devices_and_pipes_are_no_examples(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("not to be read")
    path = write_tar(tmp_path / "a.tar", triple("good"))
    with tarfile.open(path, "a") as tar:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            for suffix in ("jpg", "txt"):
                info = tarfile.TarInfo(f"bad{kind.decode()}.{suffix}")
                info.type, info.linkname = kind, str(secret)
                tar.addfile(info)
    source = Shards(str(path))
    assert [source.key(index) for index in range(len(source))] == ["good"]


def test_names_that_are_not_utf_8_can_be_printed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        for name, content in [("caf\xe9.png", encode()), ("caf\xe9.txt", b"coffee"), ("caf\xe8.png", encode())]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    source = Shards(str(tmp_path / "a.tar"))
    assert [source.key(index).encode("utf-8") for index in range(2)] == [b"caf\\xe9", b"caf\\xe8"]
    assert source[0].captions == ("coffee",)


def test_blocks_locations_and_fingerprints(tmp_path: Path) -> None:
    for shard in range(2):
        write_tar(tmp_path / f"s-{shard}.tar", [member for number in range(2 + shard) for member in triple(f"{shard}{number}")])
    source = Shards(str(tmp_path))
    assert all(isinstance(source, kind) for kind in (Blocked, Described, Fingerprinted, Located))
    assert block_sizes(source) == [2, 3]
    assert source.location(2) == str(tmp_path / "s-1.tar")
    assert Shards(str(tmp_path)).fingerprint() == source.fingerprint()
    assert Shards(str(tmp_path), caption="json:names.en").fingerprint() != source.fingerprint()
    os.utime(tmp_path / "s-1.tar", ns=(1, 1))
    assert Shards(str(tmp_path)).fingerprint() != source.fingerprint()


def test_memory_of_a_copy_for_another_process_is_small(tmp_path: Path) -> None:
    members = [member for number in range(300) for member in triple(f"{number:09}")]
    path = str(write_tar(tmp_path / "shards/a.tar", members))
    stored = Shards(path, storage=Storage(cache=str(tmp_path / "cache")))
    assert len(pickle.dumps(stored)) < 3000 < len(pickle.dumps(Shards(path)))
    assert pickle.loads(pickle.dumps(stored))[299].key == stored[299].key == "000000299"


@pytest.mark.skipif(not EMOJI.is_dir(), reason="the emoji shards are not here")
def test_real_shards() -> None:
    source = Shards(str(EMOJI), caption=["txt", "json:names.en"])
    assert len(source) > 3000
    pair = source[len(source) - 1]
    assert decode(pair.image).size == (128, 128)
    assert pair.captions[0] == pair.captions[1]
    assert pair.metadata["char"]
