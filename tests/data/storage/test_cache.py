from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.data import Storage
from concord.data.storage.cache import FileCache
from concord.data.storage.storage import StorageError
from tests.data.storage.server import FileServer

MEGABYTE = 1 << 20
KIB = 1 / (1 << 20)  # in GiB


def filling(content: bytes, log: list[bytes] | None = None):
    def fill(file: BinaryIO) -> None:
        file.write(content)
        if log is not None:
            log.append(content)

    return fill


def content_of(file: BinaryIO | None) -> bytes | None:
    if file is None:
        return None
    with file:
        return file.read()


def stored(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in folder.iterdir() if file.name != "lock"}


def test_fetches_once(tmp_path: Path) -> None:
    cache, log = FileCache(tmp_path / "new" / "cache", 100), []
    assert [content_of(cache.open("a", 3, filling(b"abc", log))) for _ in range(3)] == [b"abc"] * 3
    assert len(log) == 1


def test_those_unused_for_longest_make_room(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 100)
    for name in "abc":
        content_of(cache.open(name, 30, filling(name.encode() * 30)))
        time.sleep(0.01)
    content_of(cache.open("a", 30, filling(b"not asked")))
    held = cache.open("b", 30, filling(b"not asked"))
    time.sleep(0.01)
    content_of(cache.open("a", 30, filling(b"not asked")))
    content_of(cache.open("d", 60, filling(b"d" * 60)))
    assert stored(tmp_path) == {"a": 30, "d": 60}
    assert content_of(held) == b"b" * 30  # who has a file open reads on


def test_what_does_not_fit_is_not_kept(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 100)
    content_of(cache.open("a", 60, filling(b"a" * 60)))
    assert cache.open("b", 101, filling(b"b" * 101)) is None
    assert stored(tmp_path) == {"a": 60}


def test_files_on_their_way_count(tmp_path: Path) -> None:
    cache, seen = FileCache(tmp_path, 100), []

    def fill(file: BinaryIO) -> None:
        assert stored(tmp_path) == {"a.part": 60}  # its full size from the start
        seen.append(cache.open("b", 50, filling(b"b" * 50)))
        seen.append(content_of(cache.open("c", 40, filling(b"c" * 40))))
        file.write(b"a" * 60)

    assert content_of(cache.open("a", 60, fill)) == b"a" * 60
    assert seen == [None, b"c" * 40]
    assert stored(tmp_path) == {"a": 60, "c": 40}


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fill(file: BinaryIO) -> None:
        file.write(b"half")
        raise StorageError("no answer in time", "a")

    with pytest.raises(StorageError):
        FileCache(tmp_path, 100).open("a", 8, fill)
    assert stored(tmp_path) == {}


def test_files_of_a_wrong_size_are_fetched_anew(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 100)
    (tmp_path / "a").write_bytes(b"shor")
    assert content_of(cache.open("a", 5, filling(b"whole"))) == b"whole"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=30), st.integers(0, 60))
def test_never_above_the_limit(tmp_path: Path, asked: list[tuple[int, bool]], limit: int) -> None:
    folder = tmp_path / f"{limit}-{len(asked)}"
    for number, fails in asked:
        size = 1 + 9 * number

        def fill(file: BinaryIO, size: int = size, fails: bool = fails) -> None:
            assert sum(stored(folder).values()) <= limit
            file.write(bytes([size]) * size)
            if fails:
                raise KeyboardInterrupt

        try:
            found = content_of(FileCache(folder, limit).open(str(number), size, fill))
        except KeyboardInterrupt:
            continue
        assert found == (bytes([size]) * size if size <= limit else None)


def test_two_processes_fetch_a_file_once(server: FileServer, tmp_path: Path) -> None:
    content = os.urandom(MEGABYTE)
    (server.folder / "a.bin").write_bytes(content)
    server.every, server.delay = "slow", 0.5
    storage = Storage(cache=str(tmp_path / "cache"), keep_gib=2048 * KIB)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        read = pool.starmap_async(storage.read, [(f"{server.url}/a.bin", number, 10) for number in range(12)]).get(timeout=60)
    assert read == [content[number : number + 10] for number in range(12)]
    assert sum(method == "GET" for method, _, _ in server.asked) == 1


def held(folder: Path) -> int:
    """Bytes of the files in a folder; one that gets its final name while the folder is listed counts once."""
    sizes: dict[int, int] = {}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            sizes[found.st_ino] = found.st_size
    return sum(sizes.values())


def test_many_processes_and_files_stay_within_the_limit(server: FileServer, tmp_path: Path) -> None:
    for number in range(6):
        (server.folder / f"{number}.bin").write_bytes(bytes([number]) * 10_000)
    storage = Storage(cache=str(tmp_path / "cache"), keep_gib=30 * KIB)  # three of them
    cache = FileCache(tmp_path / "cache/files", 0)
    cache.folder.mkdir(parents=True)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        reads = pool.starmap_async(storage.read, [(f"{server.url}/{step % 6}.bin", 5, 2) for step in range(60)])
        while not reads.ready():
            with cache._alone():  # else a file could be counted, make room, and the next be counted too
                assert held(cache.folder) <= 30 * 1024
            time.sleep(0.005)
    assert reads.get() == [bytes([step % 6]) * 2 for step in range(60)]


KILLED = """
import sys
from concord.data import Storage
Storage(cache=sys.argv[1], keep_gib=0.001, timeout=60.0).read(sys.argv[2], 0, 1)
"""


def test_a_killed_download_leaves_no_file_that_looks_whole(server: FileServer, tmp_path: Path) -> None:
    (server.folder / "a.bin").write_bytes(b"whole" * 1000)
    folder = tmp_path / "cache/files"
    server.every, server.delay = "slow", 30.0
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "cache"), f"{server.url}/a.bin"])
    while not list(folder.glob("*.part")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [file.suffix for file in folder.iterdir() if file.name != "lock"] == [".part"]
    server.every = ""
    (server.folder / "b.bin").write_bytes(b"other" * 1000)
    storage = Storage(cache=str(tmp_path / "cache"), keep_gib=0.001)
    assert storage.read(f"{server.url}/b.bin") == b"other" * 1000
    assert len(stored(folder)) == 1  # the half file was removed with the next that came
    assert storage.read(f"{server.url}/a.bin") == b"whole" * 1000


def test_large_files_are_fetched_in_pieces_that_are_retried(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concord.data.storage.storage.PIECE", 10_000)
    content = os.urandom(35_000)
    (server.folder / "a.bin").write_bytes(content)
    server.faults.extend(["", 503, "short"])
    storage = Storage(cache=str(tmp_path), keep_gib=0.001, backoff=0.01)
    assert storage.read(f"{server.url}/a.bin") == content
    assert server.sent == 45_000  # the piece that was cut came twice
    assert storage.read(f"{server.url}/a.bin", 20_000, 7) == content[20_000:20_007]
    assert server.sent == 45_000


def test_a_changed_file_is_fetched_anew(server: FileServer, tmp_path: Path) -> None:
    for content in (b"first", b"other"):
        (server.folder / "a.bin").write_bytes(content)
        assert Storage(cache=str(tmp_path / "cache"), keep_gib=0.001).read(f"{server.url}/a.bin") == content


def test_files_beyond_the_limit_are_read_in_parts(server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (server.folder / "a.bin").write_bytes(bytes(20_000))
    storage = Storage(cache=str(tmp_path / "cache"), keep_gib=10 * KIB)
    for _ in range(2):
        assert storage.read(f"{server.url}/a.bin", 5, 5) == bytes(5)
    assert server.sent == 10
    assert caplog.text.count("does not fit into storage.keep_gib") == 1


def test_a_folder_that_cannot_be_used_means_no_cache(server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (server.folder / "a.bin").write_bytes(b"content")
    (tmp_path / "cache").write_text("not a folder")
    storage = Storage(cache=str(tmp_path / "cache"), keep_gib=0.001)
    for _ in range(2):
        assert storage.read(f"{server.url}/a.bin", 0, 7) == b"content"
    assert caplog.text.count("no remote files are kept") == 1
