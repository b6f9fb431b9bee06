"""NIH ChestX-ray14 in its exact layout."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from concord.data.medical import MedicalImages
from concord.data.medical.layouts.nih import NIHChestXray14, patient_of
from concord.errors import DataError
from tests.data.medical.layouts.nih_fixtures import HEADER, ROWS, TEST, nih

LISTS = {"train": "train_val_list.txt", "test": "test_list.txt"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    nih(tmp_path)
    return tmp_path / "nih"


def images(folder: Path, split: Any = "test", **settings: Any) -> MedicalImages:
    return MedicalImages(NIHChestXray14(str(folder), **{"lists": LISTS, **settings}), split)


def test_a_header_with_commas_and_pictures_in_several_folders(folder: Path) -> None:
    assert HEADER.count(",") == 11
    assert HEADER.endswith(",")
    source = images(folder)
    assert [source.key(index).rpartition("/")[2] for index in range(len(source))] == [name for name, _, _ in ROWS[:TEST]]
    assert source.key(1) == "images_002/images/00009991_001.png"
    known = source[0].metadata
    names = [name for name, label in zip(source.class_names, known["labels"], strict=True) if label]
    assert (names, known["patient_id"], known["view"], sum(source.metadata(1)["labels"])) == (
        ["cardiomegaly", "pleural effusion"], "9991", "PA", 0,
    )  # fmt: skip
    assert source.metadata(4)["view"] == "AP"


def test_columns_are_found_by_name(folder: Path) -> None:
    before = list(images(folder, "all").exams)
    rows = [line.split(",") for line in (folder / "Data_Entry_2017.csv").read_text().splitlines()]
    (folder / "other.csv").write_text("".join(",".join(reversed(row)) + "\n" for row in rows))
    assert list(images(folder, "all", table="other.csv").exams) == before


def test_one_folder_of_pictures(folder: Path) -> None:
    (folder / "images").mkdir()
    for number in (1, 2):
        for file in (folder / f"images_00{number}/images").iterdir():
            file.rename(folder / "images" / file.name)
        shutil.rmtree(folder / f"images_00{number}")
    assert images(folder).key(0) == "images/00009991_000.png"
    assert len(images(folder)[0].image) > 0


def test_a_list_of_the_same_pictures_is_the_same_in_one_folder_and_in_twelve(folder: Path) -> None:
    before = images(folder).list_hash
    test_one_folder_of_pictures(folder)
    assert images(folder).list_hash == before != images(folder, "train").list_hash


def test_official_parts_share_no_patient(folder: Path) -> None:
    train, test = images(folder, "train"), images(folder)
    assert (len(train), len(test)) == (len(ROWS) - TEST, TEST)
    assert not train.patients() & test.patients()


def test_a_validation_part_is_made_of_whole_patients(folder: Path) -> None:
    parts = {split: images(folder, split, validation=0.4) for split in ("train", "validation", "test")}
    assert parts["test"].exams.checksum() == images(folder).exams.checksum()
    patients = [parts[split].patients() for split in parts]
    assert len(set().union(*patients)) == sum(map(len, patients))
    assert len(patients[0] | patients[1]) == 24
    assert len(parts["validation"]) == 2 * len(patients[1]) > 0
    assert images(folder, "validation", validation=0.4, seed=1).patients() != patients[1]


def test_the_other_split_comes_as_three_lists(folder: Path) -> None:
    names = [name for name, _, _ in ROWS]
    for part, own in (("train", names[11:]), ("val", names[7:11]), ("test", names[:7])):
        (folder / f"other_{part}.txt").write_text("\n".join(own))
    lists = {"train": "other_train.txt", "validation": "other_val.txt", "test": "other_test.txt"}
    assert [len(images(folder, part, lists=lists)) for part in ("train", "validation", "test")] == [len(names) - 11, 4, 7]
    with pytest.raises(ValueError, match=r"validation must be 0 where there is a list of it, got 0.1"):
        images(folder, lists=lists, validation=0.1)


def test_lists_that_cut_a_patient_in_two_are_refused(folder: Path) -> None:
    names = [name for name, _, _ in ROWS]
    (folder / "test_list.txt").write_text("\n".join(names[:1]))
    (folder / "train_val_list.txt").write_text("\n".join(names[1:]))
    with pytest.raises(DataError, match=r"patients are in two splits \(1 in train and test\)"):
        images(folder)


def test_what_is_wrong_is_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match=r"validation must lie in \[0, 1\), got 1"):
        images(folder, validation=1.0)
    (folder / "none.txt").write_text("00000001_000.png\n")
    with pytest.raises(DataError, match="nih_chest: none of the 1 ids in its lists is in the data set"):
        images(folder, lists={"test": "none.txt"})
    (folder / "some.txt").write_text("00000001_000.png\n00009991_000.png\n")
    assert len(images(folder, lists={"test": "some.txt"})) == 1
    assert "1 of 2 ids in its lists are not in the data set" in caplog.text
    with pytest.raises(DataError, match="1 ids are in two lists"):
        images(folder, lists={"test": "some.txt", "train": "test_list.txt"})
    table = folder / "Data_Entry_2017.csv"
    table.write_text(table.read_text().replace("Hernia|Infiltration", "Hernia|Infiltrate"))
    with pytest.raises(DataError, match="'Infiltrate' is no finding of ChestX-ray14; did you mean Infiltration"):
        images(folder)


@pytest.mark.parametrize("name", ["x_000.png", "_000.png", "²_000.png"])
def test_the_patient_of_a_picture(name: str) -> None:
    assert patient_of("00009999_012.png") == "9999"
    with pytest.raises(DataError, match="is no name of a picture of NIH ChestX-ray14"):
        patient_of(name)
