"""Data written anew: nothing but what is asked for changes, the same input gives the same bytes, and only what is whole is there."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from concord.data import BadSample, HashSplit, Parquet, Shards
from concord.data.preparation import Manifest, Options, prepare, verify
from concord.data.preparation.tars import member_name
from concord.data.readers.captions import captions_of
from concord.errors import ConfigError, DataError
from concord.images import Preprocess, decode
from concord.types import Caption, Pair
from tests.data.samples import Grey, encode


class Listed:
    """A source of the pairs that it is given; None stands for one that cannot be read."""

    name = "listed"

    def __init__(self, pairs: list[Pair | None]) -> None:
        self.pairs = pairs
        self.reads = 0

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        self.reads += 1
        pair = self.pairs[index]
        if pair is None:
            raise BadSample("no image", f"bad{index}", "it is not there")
        return pair


def pairs(count: int, **more: Any) -> list[Pair | None]:
    return [Pair(encode(index, size=12 + index), (f"caption {index}",), f"key{index}", "origin", more) for index in range(count)]


def write(source: Any, folder: Path, workers: int = 0, **options: Any) -> Manifest:
    return prepare(source, folder, Options(**options), Preprocess(), {"path": "somewhere"}, workers)


def read(folder: Path, form: str) -> Any:
    return Parquet(str(folder)) if form == "parquet" else Shards(str(folder), caption="json:captions", metadata="json")


@pytest.mark.parametrize("form", ["parquet", "shards"])
def test_what_is_written_reads_back_as_it_was(tmp_path: Path, form: str) -> None:
    captions = (Caption("a dog", "original"), Caption("ein Hund", "de"), "日本語 🦎")
    first = Pair(encode(7, "WEBP"), captions, "folder/ключ.with.dots", "web", {"width": 12, "score": np.float32(0.5), "tags": ["a"]})
    source = Listed([first, *pairs(6)])
    assert write(source, tmp_path / "out", format=form, per_file=3).examples == 7
    again = read(tmp_path / "out", form)
    assert [again.key(index) for index in range(7)] == ["folder/ключ.with.dots", *(f"key{index}" for index in range(6))]
    for index in range(7):
        assert again[index].image == source[index].image
        assert again[index].captions == source[index].captions
    assert [getattr(caption, "role", "") for caption in again[0].captions] == ["original", "de", ""]


def test_parquet_holds_every_column_in_small_row_groups(tmp_path: Path) -> None:
    source = Listed([Pair(encode(), (Caption("a", "long"),), str(index), "web", {"n": index}) for index in range(300)])
    write(source, tmp_path / "out")
    file = pq.ParquetFile(tmp_path / "out" / "00000.parquet")
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [128, 128, 44]
    columns = {file.metadata.row_group(0).column(i).path_in_schema: file.metadata.row_group(0).column(i) for i in range(6)}
    assert columns["image"].compression == "UNCOMPRESSED"
    assert {column.compression for name, column in columns.items() if name != "image"} == {"ZSTD"}
    row = file.read().to_pylist()[299]
    expected = {"key": "299", "caption": [{"text": "a", "role": "long"}], "source": "web", "metadata": '{"n": 299}'}
    assert {name: row[name] for name in expected} == expected


def test_shards_hold_what_other_tools_look_for(tmp_path: Path) -> None:
    images = {"j": encode(kind="JPEG"), "p": encode(), "w": encode(kind="WEBP"), "g": encode(kind="GIF")}
    write(Listed([Pair(image, ("one", "two"), key, "web", {"n": 1}) for key, image in images.items()]), tmp_path / "out", format="shards")
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        names = [member.name for member in tar]
        assert names == [f"{stem}.{suffix}" for stem, first in zip("jpwg", ("jpg", "png", "webp", "jpg"), strict=True)
                         for suffix in (first, "txt", "json")]  # fmt: skip
        assert {(member.mtime, member.uid, member.uname) for member in tar} == {(0, 0, "")}
        document = json.loads(tar.extractfile("j.json").read())  # type: ignore[union-attr]
        assert document == {"captions": [{"text": "one", "role": ""}, {"text": "two", "role": ""}], "source": "web", "metadata": {"n": 1}}
        assert tar.extractfile("j.txt").read() == b"one"  # type: ignore[union-attr]


@pytest.mark.parametrize("form", ["parquet", "shards"])
def test_the_same_input_gives_the_same_bytes_with_any_number_of_workers(tmp_path: Path, form: str) -> None:
    source = Listed([*pairs(40), None, *(Pair(encode(index), ("x",), f"late{index}", "o") for index in range(40))])
    contents = []
    for name, workers in (("one", 0), ("two", 2)):
        write(source, tmp_path / name, workers, format=form, per_file=30, short_side=16)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert sorted(contents[0]) == [*(f"0000{i}{Options(format=form).suffix}" for i in range(3)), "bad.jsonl", "manifest.json"]  # type: ignore[arg-type]


def test_only_larger_images_are_made_smaller(tmp_path: Path) -> None:
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 40), (200, 0, 0)).save(turned, "JPEG", exif=exif)
    images = [encode(size=12), encode(9, size=100), turned.getvalue()]
    write(Listed([Pair(image, ("c",), str(index)) for index, image in enumerate(images)]), tmp_path / "out", short_side=20)
    small, square, upright = (Parquet(str(tmp_path / "out"))[index].image for index in range(3))
    assert small == images[0]
    assert [Image.open(io.BytesIO(image)).format for image in (square, upright)] == ["JPEG", "JPEG"]
    assert decode(square).size == (20, 20)
    assert decode(upright).size == (20, 40)


def test_painted_images_keep_their_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    write(Listed([Pair(array, ("c",), "a"), Pair(Image.fromarray(array), ("c",), "b")]), tmp_path / "out")
    for index in range(2):
        assert np.array_equal(np.asarray(decode(Parquet(str(tmp_path / "out"))[index].image)), array)


def test_bad_examples_are_left_out_and_named(tmp_path: Path) -> None:
    broken = Pair(encode(3)[:40], ("c",), "broken")
    missing = Pair(tmp_path / "nothing.png", ("c",), "missing")
    silent = Pair(encode(), (), "silent")
    source = Listed([None, *pairs(2), broken, missing, silent, None])
    manifest = write(source, tmp_path / "out", per_file=1)
    assert (manifest.examples, [file.examples for file in manifest.files]) == (2, [1, 1])
    lines = [json.loads(line) for line in (tmp_path / "out" / "bad.jsonl").read_text().splitlines()]
    assert [(line["index"], line["key"]) for line in lines] == [(0, "bad0"), (3, "broken"), (4, "missing"), (5, "silent"), (6, "bad6")]
    assert manifest.bad == {
        "no image": 2,
        "image cannot be decoded": 1,
        "image cannot be read (FileNotFoundError)": 1,
        "no caption": 1,
    }
    assert write(Listed([broken]), tmp_path / "unchecked", validate=False).examples == 1
    with pytest.raises(DataError, match="no example of 2 can be used: 1 x no image; 1 x image cannot be decoded"):
        write(Listed([None, broken]), tmp_path / "none")
    assert not (tmp_path / "none").exists()


class Failing(Listed):
    """Its storage goes away at the 70th example."""

    def __getitem__(self, index: int) -> Pair:
        if index == 70:
            raise DataError("the disk is gone")
        return super().__getitem__(index)


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """A folder whose writing was interrupted after two of five files."""
    with pytest.raises(DataError, match="the disk is gone"):
        write(Failing([None, *pairs(99)]), tmp_path / "out", per_file=20)
    return tmp_path / "out"


def test_a_run_goes_on_after_its_last_whole_file(interrupted: Path, tmp_path: Path) -> None:
    draft = interrupted.with_name("out.unfinished")
    assert not interrupted.exists()
    assert sorted(path.name for path in draft.glob("*.parquet")) == [f"0000{number}.parquet" for number in range(3)]
    (draft / "00002.parquet").write_bytes(b"half")  # whatever is not as it was written is written again
    (draft / ".00003.parquet.abc.part").write_bytes(b"half")
    source = Listed([None, *pairs(99)])
    reports: list[int] = []
    prepare(source, interrupted, Options(per_file=20), Preprocess(), {"path": "somewhere"}, 0, reports.append)
    assert source.reads == 100 - 41
    assert sum(reports) == 100
    assert not draft.exists()
    write(Listed([None, *pairs(99)]), tmp_path / "whole", per_file=20)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (interrupted / path.name).read_bytes()
    assert len(list(interrupted.iterdir())) == 7


def test_another_plan_may_not_go_on_in_a_folder(interrupted: Path) -> None:
    draft = interrupted.with_name("out.unfinished")
    with pytest.raises(ConfigError, match=r"out.unfinished was begun with another options.per_file \(20, now 7\); remove it, or choose"):
        write(Listed([None, *pairs(99)]), interrupted, per_file=7)
    with pytest.raises(ConfigError, match=r"another examples \(100, now 99\)"):
        write(Listed(pairs(99)), interrupted, per_file=20)
    assert len(list(draft.glob("*.parquet"))) == 3


def test_a_whole_folder_is_checked_and_not_written_again(tmp_path: Path) -> None:
    source = Listed(pairs(5))
    first = write(source, tmp_path / "out", per_file=2)
    assert write(source, tmp_path / "out", per_file=2) == first
    assert source.reads == 5
    with pytest.raises(ConfigError, match=r"was prepared with another options.quality \(90, now 50\); choose another folder"):
        write(source, tmp_path / "out", per_file=2, quality=50)
    (tmp_path / "out" / "00001.parquet").write_bytes(b"cut")
    with pytest.raises(DataError, match=r"00001.parquet has changed since it was written"):
        write(source, tmp_path / "out", per_file=2)


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="mine holds something else; choose an empty or a new folder"):
        write(Listed(pairs(2)), tmp_path / "mine")
    (tmp_path / "mine").rename(tmp_path / "out.unfinished")
    with pytest.raises(ConfigError, match=r"out.unfinished holds something else; remove it, or choose another output"):
        write(Listed(pairs(2)), tmp_path / "out")
    assert (tmp_path / "out.unfinished" / "thesis.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert write(Listed(pairs(2)), tmp_path / "empty").examples == 2


def test_two_runs_do_not_write_one_folder(tmp_path: Path) -> None:
    class Second(Listed):
        def __getitem__(self, index: int) -> Pair:
            with pytest.raises(DataError, match=r"another run is writing .*out.unfinished; wait until it ends"):
                write(Listed(pairs(1)), tmp_path / "out")
            return super().__getitem__(index)

    assert write(Second(pairs(1)), tmp_path / "out").examples == 1


def test_verify_names_the_first_file_that_is_wrong(tmp_path: Path) -> None:
    write(Listed(pairs(6)), tmp_path / "out", per_file=2)
    assert [file.examples for file in verify(tmp_path / "out")] == [2, 2, 2]
    extra = tmp_path / "out" / "00009.parquet"
    extra.write_bytes(b"")
    with pytest.raises(DataError, match=r"00009.parquet is not in manifest.json; readers would take it for a part"):
        list(verify(tmp_path / "out"))
    extra.unlink()
    content = bytearray((tmp_path / "out" / "00001.parquet").read_bytes())
    content[100] ^= 1
    (tmp_path / "out" / "00001.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"00001.parquet has changed since it was written"):
        list(verify(tmp_path / "out"))
    (tmp_path / "out" / "00000.parquet").unlink()
    with pytest.raises(DataError, match=r"00000.parquet is missing"):
        list(verify(tmp_path / "out"))
    with pytest.raises(DataError, match=r"is not a prepared folder: it has no manifest.json"):
        list(verify(tmp_path))
    (tmp_path / "out" / "manifest.json").write_text('{"plan": 1}')
    with pytest.raises(DataError, match=r"manifest.json cannot be read"):
        list(verify(tmp_path / "out"))


def test_how_files_are_reached_stays_out_of_the_manifest(tmp_path: Path) -> None:
    description = {"config": [{"path": "https://me:word@host/a.tar?token=abc", "storage": {"options": {"key": "secret"}}}]}
    prepare(Listed(pairs(1)), tmp_path / "out", Options(), Preprocess(), description)
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert "https://host/a.tar" in text
    assert not any(word in text for word in ("word", "token", "abc", "secret"))


def test_keys_that_repeat_are_kept_in_parquet_and_refused_in_a_shard(tmp_path: Path) -> None:
    source = Listed([Pair(encode(index), ("c",), "same") for index in range(2)])
    assert write(source, tmp_path / "table").examples == 2
    with pytest.raises(DataError, match=r"the key 'same' repeats in one shard; task.format=parquet keeps keys that repeat"):
        write(source, tmp_path / "tar", format="shards")
    assert write(source, tmp_path / "two", format="shards", per_file=1).examples == 2


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("../../etc/passwd", "_/_/etc/passwd"),
        ("/abs/olute", "abs/olute"),
        ("a//./b", "a/b"),
        ("nul\0 and\nline", "nul_ and_line"),
        ("a/._fork", "a/_._fork"),
        ("", "_"),
        ("日本/語.v2", "日本/語.v2"),
    ],
)
def test_names_in_shards_lead_nowhere_else(tmp_path: Path, key: str, name: str) -> None:
    assert member_name(key) == name
    write(Listed([Pair(encode(), ("c",), key)]), tmp_path / "out", format="shards")
    assert read(tmp_path / "out", "shards").key(0) == name
    with tarfile.open(tmp_path / "out" / "00000.tar") as tar:
        assert json.loads(tar.extractfile(f"{name}.json").read()).get("key", key) == key  # type: ignore[union-attr]
        tar.extractall(tmp_path / "unpacked", filter="data")


def as_read(caption: str) -> list[str]:
    """What a reader makes of a caption whose lone surrogates were replaced."""
    return captions_of(caption.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.text(st.characters(), max_size=300),
    captions=st.lists(st.text(st.characters(), min_size=1, max_size=200).filter(as_read), min_size=1, max_size=3),
    metadata=st.dictionaries(st.text(st.characters()), st.floats() | st.text(st.characters()) | st.lists(st.integers())),
    form=st.sampled_from(["parquet", "shards"]),
)
def test_any_text_can_be_stored(tmp_path: Path, key: str, captions: list[str], metadata: dict[str, Any], form: str) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    write(Listed([Pair(encode(), tuple(captions), key, "s", metadata)]), folder, format=form)
    again = read(folder, form)[0]
    assert list(again.captions) == [text for caption in captions for text in as_read(caption)]
    assert [path.suffix for path in folder.iterdir() if path.name.startswith("0")] == [Options(format=form).suffix]  # type: ignore[arg-type]


def test_a_split_by_key_is_the_same_after_conversion(tmp_path: Path) -> None:
    keys = [*map(str, range(60)), "lone \ud800 surrogate"]
    source = Listed([Pair(encode(), ("c",), key) for key in keys])
    for form in ("parquet", "shards"):
        write(source, tmp_path / form, format=form)
    split = [HashSplit(read(tmp_path / form, form), "held_out", 0.3) for form in ("parquet", "shards")]
    assert [split[0].key(i) for i in range(len(split[0]))] == [split[1].key(i) for i in range(len(split[1]))]
    assert 5 < len(split[0]) < 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "zip"}, "format must be one of parquet, shards, got 'zip'"),
        ({"per_file": 0}, "per_file must be at least 1, got 0"),
        ({"short_side": 0}, "short_side must be at least 1, or null, got 0"),
        ({"quality": 101}, "quality must lie in 1..100, got 101"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Options(**options)


def test_sources_of_arrays_without_keys_can_be_written(tmp_path: Path) -> None:
    write(Grey(5, frozenset({2})), tmp_path / "out", format="shards")
    again = read(tmp_path / "out", "shards")
    assert [again.key(index) for index in range(4)] == ["0", "1", "3", "4"]
    assert np.array_equal(np.asarray(decode(again[3].image)), Grey(5)[4].image)
