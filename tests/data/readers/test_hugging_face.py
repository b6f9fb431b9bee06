from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub.constants
import pyarrow.parquet as pq
import pytest

from concord.config import build
from concord.data import BadSample, HuggingFace, KeyedSource, Parquet
from concord.data.source import Blocked, Described, Fingerprinted, Located
from concord.errors import DataError
from concord.types import role_of
from tests.composing import compose_config
from tests.data.samples import encode
from tests.data.storage.server import FileServer

IMAGES = [encode(shade) for shade in range(5)]
CAPTIONS = [f"picture {number}" for number in range(5)]
FEATURES = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string"), "score": datasets.Value("float32")})


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_HUB_OFFLINE=1 sets when the packages are imported."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def five(first: int = 0) -> datasets.Dataset:
    rows = {
        "image": [{"bytes": image, "path": None} for image in IMAGES[first:]],
        "caption": CAPTIONS[first:],
        "score": [n / 2 for n in range(first, 5)],
    }
    return datasets.Dataset.from_dict(rows, features=FEATURES)


def parquet_repository(folder: Path, shards: int = 2) -> Path:
    """Laid out as the hub lays data sets out."""
    (folder / "data").mkdir(parents=True)
    for split, data in (("train", five()), ("test", five(3))):
        for number in range(shards):
            part = data.shard(shards, number, contiguous=True)
            part.to_parquet(folder / f"data/{split}-{number:05}-of-{shards:05}.parquet", batch_size=2)
    return folder


def image_folder(folder: Path, kind: str) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(IMAGES):
        (folder / f"{number}.png").write_bytes(image)
    rows = [{"file_name": f"{number}.png", "caption": caption} for number, caption in enumerate(CAPTIONS)]
    table = datasets.Dataset.from_list(rows)
    {"csv": table.to_csv, "jsonl": table.to_json, "parquet": table.to_parquet}[kind](folder / f"metadata.{kind}")
    return folder


def pairs(source: Any) -> list[tuple[Any, ...]]:
    return [(source[index].image, source[index].captions) for index in range(len(source))]


EXPECTED = [(image, (caption,)) for image, caption in zip(IMAGES, CAPTIONS, strict=True)]


def test_a_saved_data_set_is_read_in_place(tmp_path: Path) -> None:
    five().save_to_disk(tmp_path / "emoji", num_shards=2)
    source = HuggingFace(str(tmp_path / "emoji"))
    assert all(isinstance(source, kind) for kind in (KeyedSource, Blocked, Described, Fingerprinted, Located))
    assert pairs(source) == EXPECTED
    assert (source.name, list(source.block_sizes)) == ("emoji", [3, 2])
    assert (source.key(4), source[4].key, source[4].metadata, source.metadata(4)) == ("row 4", "row 4", {"score": 2.0}, {"score": 2.0})
    assert source.location(4) == f"{tmp_path / 'emoji'} (row 4)"
    assert not (tmp_path / "cache").exists()


def test_a_shuffled_and_selected_data_set_is_saved_in_its_order(tmp_path: Path) -> None:
    five().shuffle(seed=1).select(range(3)).save_to_disk(tmp_path / "some")
    expected = [EXPECTED[CAPTIONS.index(caption)] for caption in datasets.load_from_disk(str(tmp_path / "some"))["caption"]]
    assert pairs(HuggingFace(str(tmp_path / "some"))) == expected
    assert len(expected) == 3


def test_splits_of_a_saved_dictionary(tmp_path: Path) -> None:
    datasets.DatasetDict({"train": five(), "test": five(3)}).save_to_disk(tmp_path / "both")
    assert pairs(HuggingFace(str(tmp_path / "both"))) == EXPECTED
    assert pairs(HuggingFace(str(tmp_path / "both"), split="test")) == EXPECTED[3:]
    with pytest.raises(DataError, match=r"both has no split 'tset'; did you mean test\?"):
        HuggingFace(str(tmp_path / "both"), split="tset")


def test_a_folder_with_one_split_is_not_taken_for_another(tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict({"image": IMAGES, "caption": CAPTIONS}, split=datasets.Split.TEST)
    data.save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="saved holds the split 'test' alone; set split to it"):
        HuggingFace(str(tmp_path / "saved"))
    assert pairs(HuggingFace(str(tmp_path / "saved"), split="test")) == EXPECTED


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_an_image_folder_with_metadata(tmp_path: Path, kind: str) -> None:
    source = HuggingFace(str(image_folder(tmp_path / "pictures/train", kind).parent))
    assert pairs(source) == EXPECTED
    assert source.name == "pictures"
    (tmp_path / "pictures/train/1.png").unlink()
    with pytest.raises(BadSample, match="row 1: image file not found") as caught:
        source[1]
    assert str(tmp_path) not in str(caught.value)
    assert source.captions(1) == (CAPTIONS[1],)


def test_images_as_bytes_and_as_paths(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    datasets.Dataset.from_dict({"jpg": IMAGES, "txt": CAPTIONS, "key": list("abcde")}).save_to_disk(tmp_path / "saved/bytes")
    source = HuggingFace(str(tmp_path / "saved/bytes"), image="jpg", caption={"short": ["txt"]})
    assert (source[2].image, source[2].key, role_of(source[2].captions[0])) == (IMAGES[2], "c", "short")
    paths = [str(tmp_path / "saved/paths" / f"{number}.png") if number else "0.png" for number in range(5)]
    datasets.Dataset.from_dict({"image": paths, "caption": CAPTIONS}).save_to_disk(tmp_path / "saved/paths")
    for number, image in enumerate(IMAGES):
        (tmp_path / f"saved/paths/{number}.png").write_bytes(image)
    source = HuggingFace(str(tmp_path / "saved/paths"))
    assert pairs(source) == EXPECTED
    assert source.key(0) == "0.png"


def test_lists_of_captions_and_places_inside_of_cells(tmp_path: Path) -> None:
    """As Flickr30k and COCO are on the hub: lists of captions, and structures with their tokens."""
    rows = {"image": IMAGES[:1], "caption": [["one", "two"]], "sentence": [{"raw": "three", "tokens": ["three"]}]}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "saved")
    source = HuggingFace(str(tmp_path / "saved"), caption=["caption", "sentence.raw"])
    assert source[0].captions == ("one", "two", "three")
    assert source[0].metadata == {}


def test_parquet_files_are_converted_once_or_streamed(tmp_path: Path) -> None:
    path = str(parquet_repository(tmp_path / "repository"))
    converted, streamed = HuggingFace(path), HuggingFace(path, streaming=True)
    assert pairs(converted) == pairs(streamed) == EXPECTED
    assert list(streamed.block_sizes) == [2, 1, 2]
    assert [streamed.key(index) for index in (0, 3)] == ["train-00000-of-00002/0", "train-00001-of-00002/0"]
    assert pairs(HuggingFace(path, split="test", streaming=True)) == pairs(HuggingFace(path, split="test")) == EXPECTED[3:]
    assert pairs(HuggingFace(path, split="train[1:3]")) == EXPECTED[1:3]
    assert streamed[1].metadata == {"score": 0.5}


def test_streaming_reads_only_what_is_asked_for(tmp_path: Path) -> None:
    parquet_repository(tmp_path / "www/repository")
    with FileServer(tmp_path / "www") as server:
        files = {"train": [f"{server.url}/repository/data/train-0000{number}-of-00002.parquet" for number in range(2)]}
        source = HuggingFace("parquet", data_files=files, streaming=True, name="remote")
        server.asked.clear()
        assert pairs(source) == EXPECTED
        assert source[0].source == "remote"
        asked = [place for method, _, place in server.asked if method == "GET"]
        assert len(asked) == 3 + 1  # each row group with all of its columns, and the second file's table of contents
        assert all(asked)  # never a whole file
    assert not (tmp_path / "cache/downloads").exists()


def test_streaming_needs_parquet(tmp_path: Path) -> None:
    image_folder(tmp_path / "pictures/train", "csv")
    with pytest.raises(DataError, match="pictures: streaming needs Parquet files; set streaming to false, or convert it with task=prepare"):
        HuggingFace(str(tmp_path / "pictures"), streaming=True)
    five().save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="read in place as it is; set streaming to false"):
        HuggingFace(str(tmp_path / "saved"), streaming=True)
    with pytest.raises(DataError, match=r"has no split 'val'; valid: test, train"):
        HuggingFace(str(parquet_repository(tmp_path / "repository")), split="val", streaming=True)


def test_hub_names_go_straight_through(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def load_dataset(**arguments: Any) -> datasets.Dataset:
        asked.append(arguments)
        return five()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = HuggingFace("nlphuji/flickr30k", split="test[:5]", config="TEST", data_files={"test": "*.zip"})
    assert asked == [
        {"path": "nlphuji/flickr30k", "name": "TEST", "data_files": {"test": "*.zip"}, "split": "test[:5]"}
    ]  # and no code is trusted
    assert (source.name, pairs(source)) == ("flickr30k", EXPECTED)


def test_hub_names_are_streamed_from_the_files_that_the_builder_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(map(str, (parquet_repository(tmp_path / "repository") / "data").glob("train-*")))
    asked: list[dict[str, Any]] = []

    def load_dataset_builder(**arguments: Any) -> Any:
        asked.append(arguments)
        return SimpleNamespace(config=SimpleNamespace(data_files={datasets.Split.TRAIN: files}))

    monkeypatch.setattr(datasets, "load_dataset_builder", load_dataset_builder)
    assert pairs(HuggingFace("someone/pictures", config="large", streaming=True)) == EXPECTED
    assert asked == [{"path": "someone/pictures", "name": "large", "data_files": None}]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_hub_that_cannot_be_reached_is_one_line(offline: None, streaming: bool) -> None:
    with pytest.raises(
        DataError, match=r"nlphuji/flickr30k cannot be loaded by Hugging Face datasets: .*path must be a folder, or a name"
    ) as caught:
        HuggingFace("nlphuji/flickr30k", streaming=streaming)
    assert "\n" not in str(caught.value)


def test_what_datasets_refuses_is_one_line(tmp_path: Path, offline: None) -> None:
    path = parquet_repository(tmp_path / "repository")
    with pytest.raises(DataError, match="Unknown split") as caught:
        HuggingFace(str(path), split="nope")
    assert "\n" not in str(caught.value)
    (path / "data/train-00000-of-00002.parquet").write_bytes(b"<html>")
    for streaming in (False, True):
        with pytest.raises(DataError) as caught:
            HuggingFace(str(path), streaming=streaming)
        assert "\n" not in str(caught.value)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="nothing cannot be loaded"):
        HuggingFace(str(tmp_path / "nothing"))


def test_code_that_comes_with_a_data_set_is_not_run(tmp_path: Path, offline: None) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/evil.py").write_text(f"open({str(tmp_path / 'proof')!r}, 'w')\n")
    for streaming in (False, True):
        with pytest.raises(DataError):
            HuggingFace(str(tmp_path / "evil"), streaming=streaming)
    assert not (tmp_path / "proof").exists()


def test_a_damaged_saved_folder_is_refused(tmp_path: Path) -> None:
    five().save_to_disk(tmp_path / "saved")
    (tmp_path / "saved/data-00000-of-00001.arrow").unlink()
    with pytest.raises(DataError, match="write it again with save_to_disk") as caught:
        HuggingFace(str(tmp_path / "saved"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image": "imgae"}, r"no column 'imgae' \(image\); did you mean image\?"),
        ({"caption": "text"}, r"no column 'text' \(caption\); valid: caption, image, score"),
        ({"caption": "score"}, "no usable caption"),
    ],
)
def test_a_wrong_column_is_refused(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    five().save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=message):
        HuggingFace(str(tmp_path / "saved"), **arguments)


def test_no_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    five().select([]).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="saved cannot be read"):  # datasets cannot
        HuggingFace(str(tmp_path / "saved"))
    monkeypatch.setattr(datasets, "load_dataset", lambda **_: five().filter(lambda row: False))
    with pytest.raises(DataError, match="someone/pictures: no rows in it"):
        HuggingFace("someone/pictures")


def test_empty_cells_are_bad_rows(tmp_path: Path) -> None:
    rows = {"image": [{"bytes": b"", "path": None}, None, {"bytes": IMAGES[0], "path": None}, {"bytes": IMAGES[0], "path": "a.png"}]}
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    datasets.Dataset.from_dict({**rows, "caption": ["a", "b", None, "d"]}, features=features).save_to_disk(tmp_path / "saved")
    source = HuggingFace(str(tmp_path / "saved"))
    assert source[3].image == IMAGES[0]  # bytes come before a path
    for index, message in enumerate(["row 0: image of zero bytes", "row 1: no image", "row 2: no caption"]):
        with pytest.raises(BadSample, match=message):
            source[index]


def test_another_process_maps_the_same_files(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"image": [bytes(500_000)] * 4, "caption": ["x"] * 4}).save_to_disk(tmp_path / "saved")
    source = HuggingFace(str(tmp_path / "saved"))
    content = pickle.dumps(source)
    assert len(content) < 100_000
    assert pairs(pickle.loads(content)) == pairs(source)


def test_the_fingerprint_tells_another_version(tmp_path: Path) -> None:
    five().save_to_disk(tmp_path / "saved")
    first = HuggingFace(str(tmp_path / "saved")).fingerprint()
    shutil.copytree(tmp_path / "saved", tmp_path / "moved", copy_function=shutil.copy2)
    assert HuggingFace(str(tmp_path / "moved")).fingerprint() == first
    shutil.rmtree(tmp_path / "moved")
    five(1).save_to_disk(tmp_path / "moved")
    assert HuggingFace(str(tmp_path / "moved")).fingerprint() != first


def test_the_configuration_builds_it(tmp_path: Path) -> None:
    five().save_to_disk(tmp_path / "saved")
    config = compose_config("data=hugging_face", f"data.path={tmp_path / 'saved'}", "data.source.caption={short:[caption]}")
    source = build(config["data"]["source"], "data.source")
    assert [role_of(caption) for caption in source.captions(0)] == ["short"]


def test_what_to_parquet_writes_reads_as_plain_parquet(tmp_path: Path) -> None:
    parquet_repository(tmp_path / "repository")
    files = str(tmp_path / "repository/data/train-*.parquet")
    assert pairs(Parquet(files)) == EXPECTED
    assert json.loads(pq.read_schema(tmp_path / "repository/data/train-00000-of-00002.parquet").metadata[b"huggingface"])


def test_a_negative_cache_is_refused() -> None:
    with pytest.raises(ValueError, match="cache must be at least 0, got -1"):
        HuggingFace("anything", cache=-1)
