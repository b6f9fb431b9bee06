from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from pathlib import Path

import fsspec
import pytest

from concord.data import Storage
from concord.data.storage.storage import StorageError
from concord.errors import DataError, MissingExtraError
from tests.data.storage.server import FileServer

CONTENT = bytes(range(256)) * 40


def patient(**arguments: object) -> Storage:
    return Storage(backoff=0.01, **{"retries": 3, "timeout": 5.0, **arguments})  # type: ignore[arg-type]


def put(server: FileServer, name: str = "a.bin", content: bytes = CONTENT) -> str:
    (server.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (server.folder / name).write_bytes(content)
    return f"{server.url}/{name}"


@pytest.fixture(params=["local", "http", "http kept", "memory", "file"])
def place(request: pytest.FixtureRequest, server: FileServer, tmp_path: Path) -> tuple[Storage, str]:
    """A storage, and the path of a file in it with the content above."""
    url = put(server)
    if request.param == "http kept":
        return Storage(cache=str(tmp_path / "cache"), keep_gib=0.001), url
    if request.param == "memory":
        fsspec.filesystem("memory").pipe_file("/storage/a.bin", CONTENT)
        return Storage(), "memory://storage/a.bin"
    local = str(server.folder / "a.bin")
    return Storage(), {"local": local, "http": url, "file": f"file://{local}"}[request.param]


def test_reads_any_part(place: tuple[Storage, str]) -> None:
    storage, path = place
    assert storage.state(path).size == len(CONTENT)
    assert storage.read(path) == CONTENT
    for offset, size in [(0, 10), (100, 1), (10_000, 240), (5, None), (0, 0)]:
        assert storage.read(path, offset, size) == CONTENT[offset:][:size]
    assert storage.read(path, 10_200, 1000) == CONTENT[10_200:]  # shorter where the file ends
    assert storage.read(path, 20_000, 5) == b""


def test_parts_of_one_file_keep_their_order(place: tuple[Storage, str]) -> None:
    storage, path = place
    spans = [(9000, 10), (10, 20), (20, 30), (10, 20), (500, 0)]
    assert storage.read_many(path, spans) == [CONTENT[offset : offset + size] for offset, size in spans]
    assert storage.read_many(path, []) == []


def test_neighbours_are_one_request(server: FileServer) -> None:
    url = put(server)
    Storage().read_many(url, [(0, 100), (1024, 50), (9000, 2)])
    assert [asked for method, _, asked in server.asked if method == "GET"] == ["bytes=0-9001"]


def test_states_tell_versions_apart(place: tuple[Storage, str], server: FileServer) -> None:
    storage, path = place
    before = storage.state(path)
    assert storage.state(path) == before
    if path.startswith("memory"):
        fsspec.filesystem("memory").pipe_file("/storage/a.bin", CONTENT)
    else:
        os.utime(server.folder / "a.bin", ns=(1, 1))
    after = storage.state(path)
    assert after.size == before.size
    assert after.version != before.version


@pytest.mark.parametrize("fault", [500, 502, 503, 504, 429, 408, "drop", "short", "cut", "slow"])
def test_failures_that_pass_are_waited_out(server: FileServer, fault: int | str) -> None:
    url = put(server)
    storage = patient(timeout=1.0)
    storage.state(url)
    server.faults.extend([fault, fault])
    assert storage.read(url, 1000, 5000) == CONTENT[1000:6000]
    assert not server.faults


def test_states_are_asked_with_patience_too(server: FileServer) -> None:
    url = put(server)
    server.heads_fail = True
    server.faults.extend([503] * 4)  # a question for the size is a HEAD and then a GET
    assert patient().state(url).size == len(CONTENT)


def test_waits_double(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    url, waits = put(server), []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.every = 503
    with pytest.raises(StorageError, match="server answers 503"):
        Storage(retries=8, backoff=1.0).read(url)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("status", "cause"), [(404, "file not found"), (403, "access denied"), (401, "access denied"), (400, "answers 400")]
)
def test_failures_that_stay_end_at_once(server: FileServer, status: int, cause: str) -> None:
    url = put(server)
    server.every, server.heads_fail = status, True
    for ask in (lambda: patient().read(url), lambda: patient().read(url, 5, 5), lambda: patient().state(url)):
        server.asked.clear()
        with pytest.raises(StorageError, match=cause) as caught:
            ask()
        assert cause in caught.value.cause
        assert len(server.asked) <= 2  # a HEAD and a GET for a size


def test_a_server_that_is_down_gets_one_try_per_request(server: FileServer) -> None:
    url = put(server)
    storage = patient()
    storage.state(url)
    server.asked.clear()
    server.every = 503
    counts = []
    for _ in range(3):
        with pytest.raises(StorageError):
            storage.read(url, 0, 10)
        counts.append(len(server.asked))
    assert counts == [4, 5, 6]
    server.every = ""
    assert storage.read(url, 0, 3) == CONTENT[:3]
    server.faults.extend([503, 503])  # patient again
    assert storage.read(url, 0, 3) == CONTENT[:3]


def test_no_server_at_all() -> None:
    with FileServer(Path("/nowhere")) as gone:
        url = f"{gone.url}/a.bin"
    with pytest.raises(StorageError, match=r"a\.bin: cannot be read \(ClientConnector"):
        patient(retries=1).read(url)


def test_a_server_without_ranges_is_refused(server: FileServer) -> None:
    url = put(server)
    server.ranges = False
    with pytest.raises(StorageError, match="whole files instead of byte ranges"):
        patient().read(url, 10, 10)


def test_passwords_and_tokens_are_in_no_message(server: FileServer) -> None:
    url = put(server).replace("http://", "http://ann:pass%20word@") + "?token=t0ken"
    assert patient().read(url, 3, 4) == CONTENT[3:7]
    server.every = 503
    for path in (url, url.replace("a.bin", "b.bin")):
        with pytest.raises(StorageError) as caught:
            patient(retries=0).read(path)
        assert "word" not in f"{caught.value!r} {caught.value} {caught.value.path}"
        assert "t0ken" not in f"{caught.value!r} {caught.value} {caught.value.path}"
        assert caught.value.__suppress_context__


def test_patterns_of_addresses(server: FileServer) -> None:
    names = ["s-00.tar", "s-01.tar", "s-02.tar", "deep/d.TAR", "notes.txt"]
    for name in names:
        put(server, f"x/{name}")
    storage = patient()
    shards = [f"{server.url}/x/s-{number:02}.tar" for number in range(3)]
    for path in (f"{server.url}/x/s-{{00..02}}.tar", f"{server.url}/x", f"{server.url}/x/", f"{server.url}/x/s*.tar", shards):
        assert storage.find(path, ".tar") == shards
    assert storage.find(f"{server.url}/x/deep", ".tar") == [f"{server.url}/x/deep/d.TAR"]
    assert storage.find("https://host/get?id=5", ".tar") == ["https://host/get?id=5"]


def test_patterns_in_a_store(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    for name in ("b.tar", "a.tar", "c.txt"):
        store.pipe_file(f"/patterns/{name}", b"1")
    found = ["memory://patterns/a.tar", "memory://patterns/b.tar"]
    assert [path.replace("memory:///", "memory://") for path in Storage().find("memory://patterns", ".tar")] == found
    assert [path.replace("memory:///", "memory://") for path in Storage().find("memory://patterns/*.tar", ".tar")] == found
    assert Storage().read(Storage().find("memory://patterns/{a,b}.tar", ".tar")[1]) == b"1"


def test_patterns_that_lead_nowhere(server: FileServer) -> None:
    (server.folder / "empty").mkdir()
    for path, message in [(f"{server.url}/empty", "no .tar file there"), (f"{server.url}/gone/*.tar", "no such file")]:
        with pytest.raises(DataError, match=message):
            patient().find(path, ".tar")
    with pytest.raises(DataError, match="no such kind of URL"):
        patient().state("htp://host/a.tar")


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(protocol: str, **options: object) -> None:
        raise ImportError(f"Install a package to access {protocol}")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(MissingExtraError, match=r"s3fs is not installed.*concord\[s3\]"):
        Storage().read("s3://bucket/a.tar")
    with pytest.raises(DataError, match=r"gs:// cannot be read: .*gcsfs"):
        Storage().read("gs://bucket/a.tar")


def test_local_failures_have_a_cause(tmp_path: Path) -> None:
    for path, cause in [(tmp_path / "none", "file not found"), (tmp_path, "IsADirectoryError"), (tmp_path / "a\0b", "ValueError")]:
        with pytest.raises(StorageError) as caught:
            Storage().read(str(path))
        assert cause in caught.value.cause
    with pytest.raises(StorageError, match="file not found"):
        Storage().state(str(tmp_path / "none"))


@pytest.mark.parametrize(("method", "keep"), [("fork", 0.0), ("fork", 0.001), ("spawn", 0.0)])
def test_other_processes_go_on_reading(server: FileServer, tmp_path: Path, method: str, keep: float) -> None:
    url = put(server)
    storage = Storage(cache=str(tmp_path / "cache"), keep_gib=keep, timeout=10.0)
    assert storage.read(url, 0, 4) == CONTENT[:4]  # this process has connections now
    with multiprocessing.get_context(method).Pool(2 if method == "fork" else 1) as pool:
        read = pool.starmap_async(storage.read, [(url, offset, 100) for offset in range(0, 1000, 100)]).get(timeout=60)
    assert b"".join(read) == CONTENT[:1000]


def test_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(StorageError("file not found", "https://ann:word@host/a")))
    assert (str(error), error.cause, error.path) == ("https://host/a: file not found", "file not found", "https://host/a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"retries": -1}, "retries must be at least 0"),
        ({"backoff": float("nan")}, "backoff must be at least 0"),
        ({"timeout": 0}, "timeout must be above 0"),
        ({"keep_gib": -1.0}, "keep_gib must be at least 0"),
        ({"keep_gib": 1.0}, "keep_gib must be 0 without a cache folder"),
    ],
)
def test_settings_are_checked(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Storage(**arguments)  # type: ignore[arg-type]
