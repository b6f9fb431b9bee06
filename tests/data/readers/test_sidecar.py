from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from concord.data import BadSample, Shards
from concord.data.readers import sidecar as sidecar_module
from concord.data.readers.sidecar import sidecar_of
from concord.errors import DataError
from tests.data.samples import encode, write_tar


def write_shard(folder: Path, number: int, keys: list[str], rows: list[dict[str, Any]] | None = None) -> Path:
    """A shard and its sidecar as img2dataset writes them: rows in the order of the downloads, failed ones among them."""
    if rows is None:
        rows = [row(key) for key in reversed(keys)]
        rows.insert(1, {**row("999999999"), "status": "failed_to_download", "width": None, "similarity": None})
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{number:05}.parquet")
    return write_tar(folder / f"{number:05}.tar", [(f"{key}.jpg", encode(1, "JPEG")) for key in keys])


def row(key: str) -> dict[str, Any]:
    words = {"en": f"name of {key}", "de": f"Name von {key}"}
    caption = f"caption of {key}"
    return {"key": key, "caption": caption, "names": words, "status": "success", "width": 640, "similarity": 0.25, "tags": ["a", "b"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(2):
        write_shard(tmp_path / "laion", number, [f"{number:05}{example:04}" for example in range(3)])
    return tmp_path / "laion"


def test_captions_from_the_file_beside_the_shard(folder: Path) -> None:
    made = Shards(str(folder), caption=["parquet:caption", "parquet:names.de"])
    for source in (made, pickle.loads(pickle.dumps(made))):
        for index in (5, 0, 4, 2):
            key = f"{index // 3:05}{index % 3:04}"
            pair = source[index]
            assert (pair.key, pair.captions) == (key, (f"caption of {key}", f"Name von {key}"))
            assert source.captions(index) == pair.captions


def test_metadata_from_the_file_beside_the_shard(folder: Path) -> None:
    source = Shards(str(folder), caption="parquet:caption", metadata="parquet")
    assert source.metadata(4)["similarity"] == 0.25
    assert dict(source[4].metadata) == dict(source.metadata(4))
    assert {"key", "caption", "status", "width", "similarity"} == set(source.metadata(0))


def test_examples_that_it_does_not_know_are_bad(tmp_path: Path) -> None:
    write_shard(tmp_path / "a", 0, ["000", "001"], [row("001")])
    with pytest.raises(BadSample, match="not in the sidecar Parquet"):
        Shards(str(tmp_path / "a"), caption="parquet:caption")[0]


def test_numbers_as_keys_and_folders_in_names(tmp_path: Path) -> None:
    write_shard(tmp_path / "a", 0, ["x/17"], [{**row("17"), "key": 17}])
    assert Shards(str(tmp_path / "a"), caption="parquet:caption")[0].captions == ("caption of 17",)


def test_a_missing_or_broken_one_is_refused_at_the_start(folder: Path) -> None:
    with pytest.raises(DataError, match=r"00000\.parquet: no column 'captions' \(caption\); did you mean caption"):
        Shards(str(folder), caption="parquet:captions")
    (folder / "00000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"00000\.parquet is not a Parquet file"):
        Shards(str(folder), caption="parquet:caption")
    (folder / "00000.parquet").unlink()
    with pytest.raises(DataError, match=r"00000\.parquet: file not found; captions or metadata"):
        Shards(str(folder), caption="txt", metadata="parquet")


def test_one_without_keys_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "a", 0, ["0"], [{"caption": "a"}])
    with pytest.raises(DataError, match="no column 'key'"):
        Shards(str(tmp_path / "a"), caption="parquet:caption")


def test_one_that_fails_later_gives_bad_samples(folder: Path) -> None:
    source = Shards(str(folder), caption="parquet:caption")
    (folder / "00001.parquet").unlink()
    with pytest.raises(BadSample, match=r"sidecar Parquet: file not found"):
        source[3]
    (folder / "00001.parquet").write_bytes(b"noise")
    with pytest.raises(BadSample, match="sidecar Parquet cannot be read"):
        source[3]
    assert source[0].captions


def test_few_are_held(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar_module, "LOADED", 1)
    source = Shards(str(folder), caption="parquet:caption")
    for index in (0, 5, 1, 4):
        source[index]
    assert source._sidecars is not None
    assert len(source._sidecars._loaded) == 1


def test_names() -> None:
    assert sidecar_of("/a.b/00000.tar") == "/a.b/00000.parquet"
    assert sidecar_of("https://host/a/00000.TAR?token=a.b") == "https://host/a/00000.parquet?token=a.b"
