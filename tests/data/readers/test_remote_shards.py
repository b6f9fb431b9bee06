"""Shards behind a real HTTP server and in a real object store, from the address to the batches of two workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from concord.data import Augmentation, BadSample, Shards, Storage, WebDataModule
from concord.errors import DataError
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import Batch, ImageView, TextView
from tests.data.samples import encode, write_tar
from tests.data.storage.server import FileServer

PER_SHARD = 20
SHARDS = 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for shard in range(SHARDS):
        keys = [f"{shard:05}{number:04}" for number in range(PER_SHARD)]
        members = [
            (f"{key}.{suffix}", content)
            for number, key in enumerate(keys)
            for suffix, content in [("jpg", encode(10 * number, "JPEG", 40)), ("txt", f"a large circle {key}"), ("json", {"key": key})]
        ]
        write_tar(tmp_path / "served" / "cc3m" / f"{shard:05}.tar", members)
    return tmp_path / "served"


@pytest.fixture
def server(folder: Path) -> Iterator[FileServer]:
    with FileServer(folder) as running:
        yield running


def shards_of(server: FileServer, storage: Storage) -> Shards:
    return Shards(f"{server.url}/cc3m/{{00000..{SHARDS - 1:05}}}.tar", metadata="json", storage=storage)


def assert_same_pairs(one: Shards, other: Shards) -> None:
    assert (len(one), one.name, one.block_sizes) == (len(other), other.name, other.block_sizes)
    for index in range(len(one)):
        assert one[index] == other[index]


def batches(source: Shards, recipes: dict[str, Augmentation], tokenizer: BPETokenizer, preprocess: Preprocess, workers: int) -> list[Batch]:
    data = WebDataModule(source, recipes, batch_size=12, workers=workers, seed=3)
    data.setup_views({"image": ImageView("weak")}, {"caption": TextView("caption")}, tokenizer, preprocess)
    return [batch for batch, _ in zip(data.train_dataloader(), range(2 * SHARDS * PER_SHARD // 12), strict=False)]


def test_same_pairs_as_from_the_disk(folder: Path, server: FileServer, tmp_path: Path) -> None:
    assert_same_pairs(Shards(str(folder / "cc3m"), metadata="json"), shards_of(server, Storage()))
    kept = shards_of(server, Storage(cache=str(tmp_path / "cache"), keep_gib=0.001))
    assert_same_pairs(Shards(str(folder / "cc3m"), metadata="json"), kept)
    sizes = [file.stat().st_size for file in (folder / "cc3m").iterdir()]
    assert sorted(file.stat().st_size for file in (tmp_path / "cache/files").iterdir() if file.name != "lock") == sorted(sizes)


def test_an_example_is_one_request(server: FileServer) -> None:
    source = shards_of(server, Storage())
    server.asked.clear()
    for index in (50, 3, 21):
        source[index]
    assert [method for method, _, _ in server.asked] == ["GET"] * 3


def test_headers_are_asked_for_once(server: FileServer, tmp_path: Path) -> None:
    storage = Storage(cache=str(tmp_path / "cache"))
    shards_of(server, storage)
    server.asked.clear()
    shards_of(server, storage)
    assert [method for method, _, _ in server.asked].count("HEAD") == SHARDS
    assert [method for method, _, _ in server.asked].count("GET") == 2  # the caption and the JSON that are looked at


@pytest.mark.parametrize("keep", [0.0, 0.001])
def test_two_workers_give_the_batches_of_the_disk(
    folder: Path,
    server: FileServer,
    tmp_path: Path,
    recipes: dict[str, Augmentation],
    tokenizer: BPETokenizer,
    preprocess: Preprocess,
    keep: float,
) -> None:
    local = batches(Shards(str(folder / "cc3m")), recipes, tokenizer, preprocess, workers=0)
    server.faults.extend(["drop", 503, "short", ""] * (1 if keep else 5))
    source = Shards(f"{server.url}/cc3m", storage=Storage(cache=str(tmp_path / "cache"), keep_gib=keep, backoff=0.01))
    remote = batches(source, recipes, tokenizer, preprocess, workers=2)
    assert not server.faults
    assert [batch.keys for batch in remote] == [batch.keys for batch in local]
    for mine, theirs in zip(remote, local, strict=True):
        assert torch.equal(mine.images["image"], theirs.images["image"])
        assert torch.equal(mine.texts["caption"].ids, theirs.texts["caption"].ids)


def test_a_server_that_goes_away_stops_the_run_with_counts(
    server: FileServer, recipes: dict[str, Augmentation], tokenizer: BPETokenizer, preprocess: Preprocess
) -> None:
    source = shards_of(server, Storage(retries=1, backoff=0.01, timeout=5.0))
    server.every = 503
    with pytest.raises(DataError, match=r"\d+ x shard cannot be read \(server answers 503\), such as 0000"):
        batches(source, recipes, tokenizer, preprocess, workers=2)


def test_a_shard_that_goes_away_gives_bad_samples(folder: Path, server: FileServer) -> None:
    source = shards_of(server, Storage())
    (folder / "cc3m/00001.tar").unlink()
    with pytest.raises(BadSample) as caught:
        source[PER_SHARD]
    assert (caught.value.cause, caught.value.key) == ("shard cannot be read (file not found)", "000010000")
    assert source[0].key == "000000000"


def test_missing_shards_are_refused_by_name(server: FileServer) -> None:
    with pytest.raises(DataError, match=r"/cc3m/00003\.tar: file not found"):
        Shards(f"{server.url}/cc3m/{{00000..00003}}.tar")


def test_cut_and_wrong_shards(folder: Path, server: FileServer) -> None:
    path = folder / "cc3m/00000.tar"
    path.write_bytes(path.read_bytes()[:4200])
    source = shards_of(server, Storage())
    assert source[0].key == "000000000"
    with pytest.raises(BadSample, match="ends before"):
        source[source.block_sizes[0] - 1]
    path.write_bytes(b"<html>" * 100)
    with pytest.raises(DataError, match=r"http://127.*00000\.tar is not an uncompressed tar"):
        shards_of(server, Storage())


@pytest.fixture
def bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The shards in an S3 store on this machine."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    store = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="shards")
    for file in (folder / "cc3m").iterdir():
        client.upload_file(str(file), "shards", f"cc3m/{file.name}")
    yield f"http://{host}:{port}"
    store.stop()


def test_an_object_store(folder: Path, bucket: str, tmp_path: Path) -> None:
    local = Shards(str(folder / "cc3m"), metadata="json")
    for path in ("s3://shards/cc3m", "s3://shards/cc3m/0*.tar", "s3://shards/cc3m/{00000..00002}.tar"):
        assert_same_pairs(local, Shards(path, metadata="json", storage=Storage(options={"endpoint_url": bucket})))
    kept = Storage(cache=str(tmp_path / "cache"), keep_gib=0.001, options={"endpoint_url": bucket})
    assert_same_pairs(local, Shards("s3://shards/cc3m", metadata="json", storage=kept))
    assert len(list((tmp_path / "cache/index").iterdir())) == SHARDS


def test_two_workers_read_an_object_store(
    folder: Path, bucket: str, recipes: dict[str, Augmentation], tokenizer: BPETokenizer, preprocess: Preprocess
) -> None:
    source = Shards("s3://shards/cc3m", storage=Storage(options={"endpoint_url": bucket}))
    remote = batches(source, recipes, tokenizer, preprocess, workers=2)
    local = batches(Shards(str(folder / "cc3m")), recipes, tokenizer, preprocess, workers=0)
    assert [batch.keys for batch in remote] == [batch.keys for batch in local]
    assert all(torch.equal(mine.images["image"], theirs.images["image"]) for mine, theirs in zip(remote, local, strict=True))


def test_an_object_store_says_why(bucket: str) -> None:
    storage = Storage(retries=0, options={"endpoint_url": bucket})
    for path in ("s3://shards/none.tar", "s3://nowhere/none.tar"):
        with pytest.raises(DataError, match=r"none\.tar: file not found"):
            Shards(path, storage=storage)
    with pytest.raises(DataError, match=r"no \.tar file there"):
        Shards("s3://shards/empty", storage=storage)
