"""Lists of files, and CoOp's splits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from concord.data.benchmarks.classification import FileList, SplitFile
from concord.errors import ConfigError, DataError
from tests.data.benchmarks.classification.drawn import write_text
from tests.data.benchmarks.classification.own_layouts import own_list, split_zhou


def test_a_list_names_files_with_spaces_and_numbers(tmp_path: Path) -> None:
    own_list(tmp_path)
    reader = FileList(str(tmp_path / "my_list/test.txt"), ["cat", "dog"])
    assert [(reader.key(index), reader[index].metadata["class_name"]) for index in range(4)] == [
        (f"images/a picture {index}.jpg", ("cat", "dog")[index % 2]) for index in range(4)
    ]
    assert reader.name == "test"
    with pytest.raises(ValueError, match="first must be 0 or 1, got 2"):
        FileList(str(tmp_path / "my_list/test.txt"), ["cat", "dog"], first=2)


def test_numbers_may_begin_with_one_and_follow_a_tab(tmp_path: Path) -> None:
    own_list(tmp_path)
    write_text(tmp_path / "list.txt", ["images/a picture 0.jpg\t2", "", "images/a picture 1.jpg\t1"])
    reader = FileList(str(tmp_path / "list.txt"), ["cat", "dog"], first=1, image_root=str(tmp_path / "my_list"))
    assert reader.labels.tolist() == [1, 0]
    assert isinstance(reader[1].image, bytes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.jpg", "line 1: expected PATH NUMBER, got 'a.jpg'"),
        ("a.jpg -1", "line 1: expected PATH NUMBER"),
        ("a.jpg cat", "line 1: expected PATH NUMBER"),
        ("a.jpg 2", r"label 2 lies outside of \[0, 1\]"),
        ("a.jpg 1", "none of its images is there"),
        ("../a.jpg 1", "none of its images is there"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, line: str, message: str) -> None:
    write_text(tmp_path / "list.txt", [line])
    with pytest.raises(DataError, match=message):
        FileList(str(tmp_path / "list.txt"), ["cat", "dog"])


def test_a_split_of_coop(tmp_path: Path) -> None:
    split_zhou(tmp_path)
    file, images = str(tmp_path / "caltech-101/split_zhou_Caltech101.json"), str(tmp_path / "caltech-101/101_ObjectCategories")
    reader = SplitFile(file, image_root=images)
    assert reader.name == "Caltech101"
    assert reader.class_names == ["anchor", "ant", "bass"]  # also of the class that this split lacks
    assert [reader[index].metadata["label"] for index in range(2)] == [0, 2]
    assert len(SplitFile(file, "train", images)) == 3
    with pytest.raises(DataError, match="has no split 'tests'; did you mean test"):
        SplitFile(file, "tests", images)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([["a.jpg", "0", "cat"]], DataError, r"entry 0: expected \[path, class number, class name\]"),
        ({"a.jpg": 0}, DataError, "expected a list in test"),
        ([["a.jpg", 1, "cat"]], ConfigError, "class 0 has no name in it; set class_names"),
    ],
)
def test_a_wrong_split_is_refused(tmp_path: Path, rows: object, error: type[Exception], message: str) -> None:
    (tmp_path / "split.json").write_text(json.dumps({"test": rows}))
    with pytest.raises(error, match=message):
        SplitFile(str(tmp_path / "split.json"))
