from __future__ import annotations

import json
import multiprocessing
import pickle
import random
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest

from concord.config import build
from concord.data import BadSample, HashSplit, KeyedSource, Parquet, Storage
from concord.data.readers.row_groups import RecentColumns
from concord.data.source import Blocked, Described, Fingerprinted
from concord.errors import DataError
from concord.types import role_of
from tests.composing import compose_config
from tests.data.readers.parquet_files import CAPTIONS, IMAGES, structures, two_files, write
from tests.data.samples import encode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return two_files(tmp_path)


class Counting(Storage):
    """Counts what is read of files."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[int] = []

    def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        content = super().read(path, offset, size)
        self.reads.append(len(content))
        return content


def test_a_folder_is_one_source(folder: Path) -> None:
    source = Parquet(str(folder))
    assert all(isinstance(source, kind) for kind in (KeyedSource, Blocked, Described, Fingerprinted))
    assert (len(source), source.name, list(source.block_sizes)) == (9, "data", [3, 3, 1, 2])
    assert [source.key(index) for index in (0, 6, 7, 8)] == ["a/0", "a/6", "b/0", "b/1"]
    pair = source[8]
    assert (pair.image, pair.captions, pair.key, pair.source, pair.metadata) == (IMAGES[1], ("y",), "b/1", "data", {})
    assert source[3].metadata == source.metadata(3) == {"score": 1.5}
    with pytest.raises(IndexError):
        source[9]


def test_random_access_equals_reading_in_order(folder: Path) -> None:
    in_order = list(Parquet(str(folder), cache=0))  # type: ignore[call-overload]
    source = Parquet(str(folder), cache=0)
    places = list(range(9)) * 2
    random.Random(0).shuffle(places)
    assert [source[index] for index in places] == [in_order[index] for index in places]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(IMAGES, pa.binary()),
        pa.array(IMAGES, pa.large_binary()),
        pa.array(IMAGES, pa.binary_view()),
        pa.array([image.ljust(200) for image in IMAGES], pa.binary(200)),
        structures(IMAGES),
        structures([None] * 7),
        pa.array([f"{number}.png" for number in range(7)]),
        pa.array([f"{number}.png" for number in range(7)], pa.large_string()),
        pa.array([f"sub/../{number}.png" for number in range(7)]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type).split("<")[0],
)
def test_forms_of_images(tmp_path: Path, column: pa.Array) -> None:
    for number, image in enumerate(IMAGES):
        (tmp_path / f"{number}.png").write_bytes(image)
    source = Parquet(str(write(tmp_path / "t.parquet", {"image": column, "caption": CAPTIONS})))
    read = [source[index].image for index in range(7)]
    assert [image.rstrip() if isinstance(image, bytes) else image for image in read] == IMAGES


def test_paths_of_images_are_the_keys_and_start_from_image_root(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(IMAGES[1])
    path = write(tmp_path / "t.parquet", {"image": ["a.png", "b.png", "../t.parquet", ""], "caption": list("abcd")})
    source = Parquet(str(path), image_root=str(tmp_path / "images"))
    assert (source[0].key, source[0].image) == ("a.png", IMAGES[1])
    for index, message in ((1, r"b\.png: image "), (2, "image path leaves image_root"), (3, "t/3: no image")):
        with pytest.raises(BadSample, match=message) as caught:
            source[index]
        assert str(tmp_path) not in str(caught.value)


def test_files_in_a_store(folder: Path) -> None:
    """What is read is the same as from a disk, and no more than the row groups that are asked for."""
    store = fsspec.filesystem("memory")
    for file in folder.iterdir():
        store.pipe(f"/columns/{file.name}", file.read_bytes())
    storage = Counting()
    source, local = Parquet("memory://columns/*.parquet", storage=storage), Parquet(str(folder))
    assert [source[index] for index in range(9)] == [replace(local[index], source="columns") for index in range(9)]
    assert source.location(8) == "memory:///columns/b.parquet (row group 0)"
    assert len(Parquet("memory://columns/{a,b}.parquet")) == 9
    unsure = Parquet("memory://columns/*.parquet", cache=0, storage=Storage(retries=0))
    store.pipe("/columns/a.parquet", b"gone")
    with pytest.raises(BadSample, match="a/3: row group: answer was cut short"):
        unsure[3]


TEXT_AND_ROLE = pa.struct([("text", pa.string()), ("role", pa.string())])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array(["a cat"]), [("a cat", "")]),
        (pa.array([b"a cat"]), [("a cat", "")]),  # writers that do not say that bytes are text
        (pa.array([["a cat", "", None, " two "]]), [("a cat", ""), ("two", "")]),
        (pa.array([[b"a cat"]]), [("a cat", "")]),
        (pa.array([{"text": "a cat", "role": "long"}], TEXT_AND_ROLE), [("a cat", "long")]),
        (pa.array([[{"text": "a", "role": "de"}, {"text": "b", "role": None}]], pa.list_(TEXT_AND_ROLE)), [("a", "de"), ("b", "")]),
        (pa.array([["a", "b"]], pa.large_list(pa.large_string())), [("a", ""), ("b", "")]),
        (pa.array(["a cat"]).dictionary_encode(), [("a cat", "")]),
    ],
    ids=["text", "bytes", "list", "bytes in a list", "structure", "structures", "large", "dictionary"],
)
def test_forms_of_captions(tmp_path: Path, column: pa.Array, expected: list[tuple[str, str]]) -> None:
    source = Parquet(str(write(tmp_path / "t.parquet", {"image": IMAGES[:1], "caption": column})))
    assert [(caption, role_of(caption)) for caption in source[0].captions] == expected
    assert source.captions(0) == source[0].captions


def test_several_columns_roles_and_places_inside_of_cells(tmp_path: Path) -> None:
    document = {"caption": "a dog", "names": {"en": "dog"}, "more": ["x", "y"]}
    table = {"sample": [{"image": IMAGES[0]}], "json": [document], "flat.name": ["Hund"], "id": [17]}
    path = str(write(tmp_path / "t.parquet", table))
    caption: Any = {"original": ["json.caption", "json.more.1"], "en": "json.names.en", "de": "flat.name"}
    pair = Parquet(path, image="sample.image", caption=caption, key="id")[0]
    assert (pair.image, pair.key, pair.metadata) == (IMAGES[0], "17", {})
    roles = [(text, role_of(text)) for text in pair.captions]
    assert roles == [("a dog", "original"), ("y", "original"), ("dog", "en"), ("Hund", "de")]
    with pytest.raises(DataError, match=r"no usable caption .*is json\.captoin the right column"):
        Parquet(path, image="sample.image", caption="json.captoin")


def test_what_img2dataset_writes(tmp_path: Path) -> None:
    """Columns of img2dataset's output_format=parquet; a failed download is a row without bytes."""
    table = pa.table(
        {
            "key": ["000000000", "000000001"],
            "jpg": pa.array([encode(1, "JPEG"), None], pa.binary()),
            "caption": ["a cat", "a dog"],
            "url": ["https://example.org/a.jpg", "https://example.org/b.jpg"],
            "status": ["success", "failed_to_download"],
            "error_message": [None, "HTTP Error 404: Not Found"],
            "width": pa.array([12, None], pa.int32()),
            "exif": ["{}", None],
            "sha256": ["00", None],
        }
    )
    source = Parquet(str(write(tmp_path / "laion/00000.parquet", table)), image="jpg")
    assert (source[0].key, source[0].image, source[0].captions) == ("000000000", encode(1, "JPEG"), ("a cat",))
    expected = {"url": "https://example.org/a.jpg", "status": "success", "width": 12, "exif": "{}", "sha256": "00"}
    assert source[0].metadata == expected
    assert source.metadata(1)["status"] == "failed_to_download"
    with pytest.raises(BadSample, match="000000001: no image"):
        source[1]


def prepared(folder: Path) -> Path:
    """The columns that task=prepare writes."""
    schema = pa.schema(
        [
            ("key", pa.string()),
            ("image", pa.binary()),
            ("caption", pa.list_(TEXT_AND_ROLE)),
            ("source", pa.string()),
            ("metadata", pa.string()),
        ]
    )
    captions = [{"text": "a cat", "role": "original"}, {"text": "a tabby cat", "role": "rewrite"}]
    row = {"key": "0/x", "image": IMAGES[2], "caption": captions, "source": "cc3m", "metadata": json.dumps({"width": 12, "tags": ["a"]})}
    return write(folder / "p/0.parquet", pa.Table.from_pylist([row], schema))


def test_prepared_and_plain_files_read_with_the_defaults_of_the_configuration(tmp_path: Path) -> None:
    prepared(tmp_path)
    write(tmp_path / "plain/0.parquet", {"image": IMAGES[2:3], "caption": ["a cat"]})
    sources = []
    for name in ("p", "plain"):
        config = compose_config("data=parquet", f"data.path={tmp_path / name}")
        sources.append(build(config["data"]["source"], "data.source"))
    pair, plain = sources[0][0], sources[1][0]
    assert [(text, role_of(text)) for text in pair.captions] == [("a cat", "original"), ("a tabby cat", "rewrite")]
    assert (pair.key, pair.image, pair.metadata) == ("0/x", IMAGES[2], {"source": "cc3m", "width": 12, "tags": ["a"]})
    assert (plain.key, plain.image, plain.captions, plain.metadata) == ("0/0", IMAGES[2], ("a cat",), {})


def test_metadata_that_is_no_json_stays_text(tmp_path: Path) -> None:
    source = Parquet(str(write(tmp_path / "t.parquet", {"image": IMAGES[:2], "caption": ["a", "b"], "metadata": ["{", "[1]"]})))
    assert [source.metadata(index) for index in (0, 1)] == [{"metadata": "{"}, {"metadata": "[1]"}]


def test_keys_captions_and_metadata_do_not_read_images(tmp_path: Path) -> None:
    images = [random.Random(number).randbytes(50_000) for number in range(8)]
    table = {"image": images, "caption": [f"caption {n}" for n in range(8)], "key": [f"k{n}" for n in range(8)], "n": list(range(8))}
    storage = Counting()
    source = Parquet(str(write(tmp_path / "t.parquet", table, rows=4)), storage=storage)
    storage.reads.clear()
    texts = [(source.key(index), source.captions(index), source.metadata(index)) for index in range(8)]
    assert texts == [(f"k{n}", (f"caption {n}",), {"n": n}) for n in range(8)]
    assert sum(storage.reads) < 10_000
    assert source[5].image == images[5]
    assert sum(storage.reads) > 4 * 50_000


def test_a_row_group_is_read_once_while_it_is_remembered(tmp_path: Path) -> None:
    images = [random.Random(number).randbytes(100_000) for number in range(40)]
    path = str(write(tmp_path / "t.parquet", {"image": images, "caption": ["c"] * 40}, rows=4))

    def megabytes(cache: int, places: list[int]) -> float:
        storage = Counting()
        source = Parquet(path, cache=cache, storage=storage)
        storage.reads.clear()
        assert all(source[index].image == images[index] for index in places)
        return sum(storage.reads) / 1e6

    shuffled = list(range(40))
    random.Random(1).shuffle(shuffled)
    windows = [start + place for start in (0, 20) for place in random.Random(2).sample(range(20), 20)]  # five row groups at a time
    assert megabytes(100, shuffled) == pytest.approx(4.0, rel=0.02)  # all of it fits
    assert megabytes(3, windows) == pytest.approx(4.0, rel=0.02)  # a window fits
    assert megabytes(0, shuffled) > 3 * 4.0  # nothing fits: nearly every example reads a row group


def test_remembered_columns_are_bounded_in_bytes() -> None:
    column = pa.chunked_array([pa.array([0] * 100, pa.int64())])  # 800 bytes
    recent = RecentColumns(2000)
    for number in range(3):
        recent.add((number, "a"), column)
    assert (recent.bytes, recent.get((0, "a"))) == (1600, None)
    assert recent.get((1, "a")) is column
    recent.add((3, "a"), column)
    assert recent.get((2, "a")) is None  # used less lately than 1
    assert recent.get((1, "a")) is column
    recent.add((4, "b"), pa.chunked_array([pa.array([0] * 1000, pa.int64())]))
    assert (recent.bytes, recent.get((4, "b")) is not None) == (8000, True)  # the newest stays


def test_what_a_process_keeps_is_bounded(tmp_path: Path) -> None:
    images = [random.Random(number).randbytes(100_000) for number in range(60)]
    source = Parquet(str(write(tmp_path / "t.parquet", {"image": images, "caption": ["c"] * 60}, rows=4)), cache=1)
    before = pa.total_allocated_bytes()
    kept = []
    for index in range(60):
        source[index]
        kept.append(pa.total_allocated_bytes() - before)
    assert max(kept) < 2.5e6  # of 6 MB: a megabyte, and the row group that is being decoded


class Reader:
    """What another process reads."""

    def __init__(self, source: Parquet, start: int) -> None:
        self.source = source
        self.start = start

    def __call__(self) -> list[Any]:
        return [self.source[(self.start + index) % len(self.source)] for index in range(len(self.source))]


def read_into(reader: Reader, results: Any) -> None:
    results.put((reader.start, reader()))


def test_forked_processes_read_at_once_from_a_source_that_was_read_before(folder: Path) -> None:
    source = Parquet(str(folder))
    expected = [source[index] for index in range(len(source))]
    context: Any = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=read_into, args=(Reader(source, start), results)) for start in (0, 4)]
    for worker in workers:
        worker.start()
    for start, pairs in (results.get(timeout=60) for _ in workers):
        assert pairs == [expected[(start + index) % 9] for index in range(9)]
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0


def test_threads_read_at_once(folder: Path) -> None:
    source = Parquet(str(folder), cache=0)
    expected = [source[index] for index in range(9)]
    found: list[list[Any]] = []
    threads = [
        threading.Thread(target=lambda start=start: found.append([source[(start + 2 * i) % 9] for i in range(90)])) for start in (0,) * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [[expected[2 * i % 9] for i in range(90)]] * 4


def test_pickled_sources_leave_the_images_behind(folder: Path) -> None:
    source = Parquet(str(folder))
    before = len(pickle.dumps(source))
    pairs = [source[index] for index in range(9)]
    content = pickle.dumps(source)
    assert len(content) == before
    assert [pickle.loads(content)[index] for index in range(9)] == pairs


def test_the_split_by_keys_reads_no_image(folder: Path) -> None:
    storage = Counting()
    source = Parquet(str(folder), storage=storage)
    parts = [HashSplit(source, part, 0.3) for part in ("train", "held_out")]  # type: ignore[arg-type]
    assert sorted(part.key(index) for part in parts for index in range(len(part))) == sorted(source.key(index) for index in range(9))


def test_the_fingerprint_follows_files_and_columns_not_their_place(folder: Path) -> None:
    first = Parquet(str(folder)).fingerprint()
    shutil.copytree(folder, folder.parent / "moved/data", copy_function=shutil.copy2)
    moved = str(folder.parent / "moved/data")
    assert Parquet(moved).fingerprint() == first
    assert Parquet(moved, caption={"de": "caption"}).fingerprint() != first
    write(folder.parent / "moved/data/b.parquet", {"image": IMAGES[:3], "caption": list("xyz"), "score": [1.0] * 3, "sizes": [[1]] * 3})
    assert Parquet(moved).fingerprint() != first
