from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import BadSample, Shards, Storage
from concord.data.readers import index as index_module
from concord.data.readers import threads
from concord.data.readers.contents import ABSENT, IMAGE, LONGEST_KEY, TEXT, table_of_contents
from concord.data.readers.index import ShardIndex
from concord.errors import DataError
from tests.data.samples import encode, write_tar


def write_shard(path: Path, count: int, shade: int = 0) -> Path:
    members = [(f"{path.stem}-{number}.{suffix}", content) for number in range(count) for suffix, content in pair(number, shade)]
    return write_tar(path, members)


def pair(number: int, shade: int) -> list[tuple[str, bytes | str]]:
    return [("png", encode(shade)), ("txt", f"text {number}")]


@pytest.fixture
def shards(tmp_path: Path) -> list[str]:
    return [str(write_shard(tmp_path / "shards" / f"s{number}.tar", count)) for number, count in enumerate([2, 0, 3, 1])]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(cache=str(tmp_path / "cache"))


def keys(index: ShardIndex) -> list[str]:
    return [index.entry(number).key for number in range(len(index))]


KEYS = ["s0-0", "s0-1", "s2-0", "s2-1", "s2-2", "s3-0"]


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(shard: str, *arguments: object) -> None:
        raise AssertionError(f"{shard} is read again")

    monkeypatch.setattr(index_module, "table_of_contents", fail)


def test_shards_are_read_once(shards: list[str], storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ShardIndex(shards, storage)
    assert (keys(first), first.block_sizes, len(first)) == (KEYS, [2, 0, 3, 1], 6)
    forbid_reading(monkeypatch)
    for again in (ShardIndex(shards, storage), pickle.loads(pickle.dumps(first))):
        assert keys(again) == KEYS
        assert [again.entry(number) for number in range(6)] == [first.entry(number) for number in range(6)]


def test_without_a_cache_the_tables_stay_in_memory(shards: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    index = ShardIndex(shards, Storage())
    forbid_reading(monkeypatch)
    assert keys(index) == keys(pickle.loads(pickle.dumps(index))) == KEYS
    assert [place.name for place in tmp_path.iterdir()] == ["shards"]


def test_places_outside_are_refused(shards: list[str], storage: Storage) -> None:
    for number in (-1, 6):
        with pytest.raises(IndexError):
            ShardIndex(shards, storage).entry(number)


def test_a_shard_that_has_changed_is_read_anew(shards: list[str], storage: Storage) -> None:
    ShardIndex(shards, storage)
    write_shard(Path(shards[0]), 4)
    write_tar(Path(shards[3]), [("new0-0.png", encode()), ("new0-0.txt", "text 0")])  # as large as before
    index = ShardIndex(shards, storage)
    assert (index.block_sizes, keys(index)[-1]) == ([4, 0, 3, 1], "new0-0")


def foreign(kind: str) -> np.ndarray:
    return {"numbers": np.arange(5), "fields": np.zeros(3, dtype=[("key", "S4"), ("offset", "<i4")]), "square": np.zeros((2, 2))}[kind]


@pytest.mark.parametrize("damage", ["empty", "noise", "cut", "text", "pickle", "zip", "numbers", "fields", "square", "folder"])
def test_damaged_and_foreign_tables_are_replaced(shards: list[str], storage: Storage, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ShardIndex(shards, storage)
    for file in (storage.cache / "index").iterdir():  # type: ignore[operator]
        content = file.read_bytes()
        file.unlink()
        if damage == "folder":
            file.mkdir()
        elif damage == "zip":
            with open(file, "wb") as stream:
                np.savez(stream, rows=np.arange(3))
        elif damage == "pickle":
            np.save(file, np.array([{"code": print}], dtype=object), allow_pickle=True)
        elif damage in ("numbers", "fields", "square"):
            np.save(file, foreign(damage))
        else:
            file.write_bytes({"empty": b"", "noise": os.urandom(300), "cut": content[:-7], "text": b"<html>" * 50}[damage])
    assert keys(ShardIndex(shards, storage)) == KEYS
    if damage != "folder":  # which stays, and the tables in memory
        forbid_reading(monkeypatch)
        assert keys(ShardIndex(shards, storage)) == KEYS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_table_with_wrong_bytes_never_breaks_a_read(tmp_path: Path, data: st.DataObject) -> None:
    shard = tmp_path / "a.tar"
    if not shard.exists():
        write_shard(shard, 3)
    storage = Storage(cache=str(tmp_path / "cache"))
    ShardIndex([str(shard)], storage)
    (file,) = (tmp_path / "cache/index").iterdir()
    whole = file.read_bytes()
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    try:
        source = Shards(str(shard), storage=storage)
        for number in range(len(source)):
            try:
                source[number]
            except BadSample:
                continue
    except DataError:  # such as: no caption
        pass
    finally:
        file.write_bytes(whole)


def test_a_folder_that_cannot_be_written_means_memory(shards: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("not a folder")
    assert keys(ShardIndex(shards, Storage(cache=str(tmp_path / "cache")))) == KEYS
    assert caplog.text.count("stay in memory") == 1


def test_a_cache_that_is_emptied_meanwhile_is_filled_again(shards: list[str], storage: Storage) -> None:
    index = ShardIndex(shards, storage)
    shutil.rmtree(storage.cache)  # type: ignore[arg-type]
    assert keys(index) == KEYS
    assert len(list((storage.cache / "index").iterdir())) == 3  # type: ignore[operator]


def test_a_shard_that_changes_when_its_table_is_gone_gives_bad_samples(tmp_path: Path, storage: Storage) -> None:
    shard = write_shard(tmp_path / "a.tar", 3)
    source = pickle.loads(pickle.dumps(Shards(str(shard), storage=storage)))  # as in another process, which has nothing open
    shutil.rmtree(storage.cache)  # type: ignore[arg-type]
    write_shard(shard, 1)
    for ask in (source.key, source.captions, source.__getitem__):
        with pytest.raises(BadSample, match="changed since the start"):
            ask(2)


def test_few_tables_are_open_at_once(tmp_path: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "OPEN_TABLES", 3)
    shards = [str(write_shard(tmp_path / f"s{number}.tar", 2)) for number in range(8)]
    index = ShardIndex(shards, storage)
    assert [index.entry(number).key for number in (0, 15, 4, 0, 9, 3)] == ["s0-0", "s7-1", "s2-0", "s0-0", "s4-1", "s1-1"]
    assert list(index._mapped) == [0, 4, 1]


def test_threads_may_ask_at_once(shards: list[str], storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "OPEN_TABLES", 1)
    index, found = ShardIndex(shards, storage), []
    running = [threading.Thread(target=lambda: found.extend([keys(index) for _ in range(20)])) for _ in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert found == [KEYS] * 80


def test_processes_may_begin_at_once(shards: list[str], storage: Storage) -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert pool.starmap_async(_keys_of, [(shards, storage)] * 6).get(timeout=60) == [KEYS] * 6
    assert len(list((storage.cache / "index").iterdir())) == 4  # type: ignore[operator]


def _keys_of(shards: list[str], storage: Storage) -> list[str]:
    return keys(ShardIndex(shards, storage))


def test_the_first_bad_shard_ends_the_start(tmp_path: Path) -> None:
    shards = [str(write_shard(tmp_path / f"s{number}.tar", 1)) for number in range(30)]
    Path(shards[17]).write_bytes(b"<html>" * 200)
    with pytest.raises(DataError, match=r"s17\.tar is not an uncompressed tar"):
        ShardIndex(shards, Storage())


def test_a_long_start_shows_a_bar(shards: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ShardIndex(shards, Storage())
    assert "indexing" not in capsys.readouterr().out
    monkeypatch.setattr(threads, "MOMENT", 0.0)
    ShardIndex(shards, Storage())
    assert "indexing shards" in capsys.readouterr().out


def test_rows_are_small(tmp_path: Path, storage: Storage) -> None:
    rows = ShardIndex([str(write_shard(tmp_path / "000000000.tar", 10))], storage).rows(0)
    assert rows.itemsize == len("000000000-0") + 48
    assert rows["size"][:, IMAGE].min() > 0


def contents(path: Path) -> np.ndarray:
    return table_of_contents(str(path), path.stat().st_size, Storage())


def test_long_names_do_not_fill_the_memory(tmp_path: Path) -> None:
    names = ["x" * 100_000 + end for end in "ab"]
    rows = contents(write_tar(tmp_path / "a.tar", [(f"{name}.{suffix}", b"1") for name in names for suffix in ("jpg", "txt")]))
    assert len(set(rows["key"].tolist())) == 2
    assert rows.dtype["key"].itemsize == LONGEST_KEY
    assert (rows["size"][:, [IMAGE, TEXT]] == 1).all()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0.jpg", "0.original.txt", "0.seg.png"], {"0": "jt"}),  # compound suffixes
        (["0.seg.png", "0.original.txt", "0.jpg"], {"0": "jt"}),
        (["0.jpg", "0.txt", "0.rewrite.txt"], {"0": "jt"}),
        (["0.meta.json", "0.jpg", "0.txt"], {"0": "jtd"}),
        (["a.b.jpg", "a.b.txt", "a.c.jpg", "a.c.txt"], {"a.b": "jt", "a.c": "jt"}),  # keys with dots
        (["a.b.jpg", "a.c.jpg"], {"a.b": "j", "a.c": "j"}),
        (["a.jpg", "a.txt", "a.b.jpg", "a.b.txt"], {"a": "jt", "a.b": "jt"}),
        (["v1.2/a.jpg", "v1.2/a.txt"], {"v1.2/a": "jt"}),  # dots of folders
        (["v1.jpg", "v1.2/a.txt"], {"v1": "j", "v1.2/a": "t"}),
        (["A.JPG", "A.TXT", "a.Jpeg", "a.JSON"], {"A": "jt", "a": "jd"}),
        ([".jpg", "b.", "c", "d.jpg.txt", "._e.jpg", "x/._e.txt"], {"d.jpg": "t"}),
    ],
)
def test_names_become_examples(tmp_path: Path, names: list[str], expected: dict[str, str]) -> None:
    rows = contents(write_tar(tmp_path / "a.tar", [(name, name) for name in names]))
    found = {row["key"].decode(): "".join(kind for kind, size in zip("jtd", row["size"], strict=True) if size != ABSENT) for row in rows}
    assert found == expected


def test_many_small_shards_start_soon(tmp_path: Path, storage: Storage) -> None:
    shards = [str(write_shard(tmp_path / f"s{number}.tar", 1)) for number in range(200)]
    ShardIndex(shards, storage)
    started = time.monotonic()
    assert len(ShardIndex(shards, storage)) == 200
    assert time.monotonic() - started < 5
