"""The layouts of well-known data sets, member by member as their tools write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.data import Shards
from concord.data.source import metadata_at
from concord.images import decode
from concord.types import role_of
from tests.data.samples import Content, encode, write_tar


def img2dataset(key: str, shade: int, extra: dict[str, object] | None = None) -> list[tuple[str, Content]]:
    """`webdataset` output: jpg, json and txt, in this order."""
    document = {
        "url": f"https://example.org/{key}",
        "key": key,
        "status": "success",
        "error_message": None,
        "width": 12,
        "height": 12,
        "original_width": 640,
        "original_height": 480,
        "exif": "{}",
        "sha256": "0" * 64,
        "caption": f"json of {key}",
        **(extra or {}),
    }
    return [(f"{key}.jpg", encode(shade, "JPEG")), (f"{key}.json", document), (f"{key}.txt", f"text of {key}")]


def read(source: Shards) -> dict[str, tuple[str, ...]]:
    return {pair.key: pair.captions for pair in (source[index] for index in range(len(source)))}


def shades(source: Shards) -> list[int]:
    return [int(decode(source[index].image).getpixel((0, 0))[0]) for index in range(len(source))]  # type: ignore[index]


@pytest.mark.parametrize("name", ["cc3m", "cc12m", "laion-400m"])
def test_img2dataset(tmp_path: Path, name: str) -> None:
    """CC3M, CC12M and LAION as img2dataset downloads them: 00000.tar, keys of shard and row, a sidecar Parquet and a _stats.json."""
    for shard in range(2):
        keys = [f"{shard:05}{row:04}" for row in (0, 2, 3)]  # a failed download leaves a gap
        write_tar(tmp_path / name / f"{shard:05}.tar", [member for key in keys for member in img2dataset(key, 100)])
        (tmp_path / name / f"{shard:05}_stats.json").write_text("{}")
        (tmp_path / name / f"{shard:05}.parquet").write_bytes(b"not looked at")
    source = Shards(str(tmp_path / name))
    assert (source.name, source.block_sizes) == (name, [3, 3])
    assert read(source)["000010002"] == ("text of 000010002",)
    assert shades(source) == [100] * 6
    for pattern in ("{00000..00001}.tar", "0000*.tar"):
        assert read(Shards(str(tmp_path / name / pattern), caption="json:caption"))["000000000"] == ("json of 000000000",)


def test_datacomp(tmp_path: Path) -> None:
    """DataComp's downloader: names of eight digits, uid and face boxes in the JSON, rewrites of the caption by role."""
    extra = {"uid": "a" * 32, "face_bboxes": [], "clip_l14_similarity_score": 0.31, "syn_caption": "a synthetic one"}
    write_tar(tmp_path / "00000000.tar", [member for row in range(2) for member in img2dataset(f"{row:012}", 3, extra)])
    source = Shards(str(tmp_path), caption={"original": "txt", "synthetic": "json:syn_caption"})
    assert read(source)["000000000001"] == ("text of 000000000001", "a synthetic one")
    assert [role_of(caption) for caption in source.captions(1)] == ["original", "synthetic"]
    assert metadata_at(source, 0)["clip_l14_similarity_score"] == 0.31
    assert Shards(str(tmp_path)).metadata(0) == {}
    assert Shards(str(tmp_path), metadata="json").metadata(0) == source.metadata(0)


def test_yfcc(tmp_path: Path) -> None:
    """YFCC15M: names are Flickr's numbers, some with the secret and size that Flickr adds, which hold dots when they are dated."""
    names = ["5133463568_5f9d7b0a1c", "2009.07.04_b", "2009.07.04_c", "6985418911"]
    members: list[tuple[str, Content]] = []
    for shade, name in enumerate(names):
        members += [(f"{name}.jpg", encode(shade, "PNG")), (f"{name}.txt", f"{name} title. description")]  # PNG bytes under .jpg
    write_tar(tmp_path / "yfcc15m-000000.tar", members)
    source = Shards(str(tmp_path / "yfcc15m-{000000..000000}.tar"))
    assert list(read(source)) == names
    assert shades(source) == [0, 1, 2, 3]


def test_unimed(tmp_path: Path) -> None:
    """UniMed's shards: several captions per image in the JSON, upper-case suffixes, files in folders, several formats."""
    members: list[tuple[str, Content]] = []
    for number, suffix in enumerate(["JPG", "jpeg", "PNG", "webp"]):
        kind = {"JPG": "JPEG", "jpeg": "JPEG", "PNG": "PNG", "webp": "WEBP"}[suffix]
        captions = {"captions": [f"an x-ray, {number}", f"chest view {number}"], "modality": "cxr"}
        members += [(f"train/{number}.{suffix}", encode(50, kind)), (f"train/{number}.JSON", captions), (f"train/{number}.Txt", "label")]
    write_tar(tmp_path / "unimed_cxr-00001.tar", members)
    source = Shards(str(tmp_path), caption="json:captions", name="unimed_cxr")
    assert read(source)["train/3"] == ("an x-ray, 3", "chest view 3")
    assert source[1].metadata["modality"] == "cxr"
    assert all(abs(shade - 50) <= 2 for shade in shades(source))


def test_members_of_one_kind_first(tmp_path: Path) -> None:
    """Tars made by hand: all images, then all texts."""
    keys = [str(number) for number in range(5)]
    write_tar(tmp_path / "a.tar", [(f"{key}.png", encode()) for key in keys] + [(f"{key}.txt", key) for key in reversed(keys)])
    assert read(Shards(str(tmp_path))) == {key: (key,) for key in keys}
