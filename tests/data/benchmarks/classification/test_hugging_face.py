"""Data sets of Hugging Face, saved to a folder or as files that it knows."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from concord.data.benchmarks.classification import LabelledHuggingFace
from concord.errors import ConfigError, DataError
from tests.data.benchmarks.classification.drawn import picture
from tests.data.benchmarks.classification.folder_layouts import folders
from tests.data.benchmarks.classification.own_layouts import own_hugging_face


def test_a_class_label_brings_its_names(tmp_path: Path) -> None:
    own_hugging_face(tmp_path)
    reader = LabelledHuggingFace(str(tmp_path / "my_hugging_face"))
    assert (reader.class_names, reader.labels.tolist(), reader.name) == (["tabby cat", "dog"], [0, 1, 1, 0], "my_hugging_face")
    assert reader[2].image == picture("hf/2")
    assert LabelledHuggingFace(str(tmp_path / "my_hugging_face"), class_names=["a", "b"]).class_names == ["a", "b"]
    with pytest.raises(DataError, match="no column 'labels'"):
        LabelledHuggingFace(str(tmp_path / "my_hugging_face"), label="labels")
    with pytest.raises(DataError, match="holds the split 'test' alone"):
        LabelledHuggingFace(str(tmp_path / "my_hugging_face"), split="train")


def save(folder: Path, label: list[object], feature: object) -> str:
    features = datasets.Features({"image": datasets.Image(), "label": feature})
    rows = {"image": [{"bytes": picture(f"{number}"), "path": None} for number in range(len(label))], "label": label}
    datasets.Dataset.from_dict(rows, features, split="test").save_to_disk(str(folder))
    return str(folder)


def test_texts_are_sorted_and_numbers_need_names(tmp_path: Path) -> None:
    texts = LabelledHuggingFace(save(tmp_path / "texts", ["dog", "cat", "dog"], datasets.Value("string")))
    assert (texts.class_names, texts.labels.tolist()) == (["cat", "dog"], [1, 0, 1])
    numbers = save(tmp_path / "numbers", [2, 0], datasets.Value("int64"))
    assert LabelledHuggingFace(numbers, class_names=["a", "b", "c"]).labels.tolist() == [2, 0]
    with pytest.raises(ConfigError, match="class_names must be given"):
        LabelledHuggingFace(numbers)


def test_lists_of_class_labels_are_several_classes(tmp_path: Path) -> None:
    reader = LabelledHuggingFace(save(tmp_path / "lists", [[0, 1], [], [1]], datasets.List(datasets.ClassLabel(names=["a", "b"]))))
    assert [reader.metadata(index)["labels"] for index in range(3)] == [[1, 1], [0, 0], [0, 1]]
    assert reader.class_names == ["a", "b"]


def test_an_image_folder_of_hugging_face(tmp_path: Path) -> None:
    folders(tmp_path, "data/test", ["cat", "dog"], each=2)
    reader = LabelledHuggingFace("imagefolder", data_files={"test": str(tmp_path / "data/test/**")}, name="mine")
    assert reader.class_names == ["cat", "dog"]
    assert sorted(reader.labels.tolist()) == [0, 0, 1, 1]
