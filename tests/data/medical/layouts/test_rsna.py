"""RSNA Pneumonia in its exact layout: rows per box, three classes, true patients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concord.data.medical import MedicalImages
from concord.data.medical.layouts.nih import COHORT, NIHChestXray14
from concord.data.medical.layouts.rsna import RSNAPneumonia
from concord.data.medical.layouts.stratified import StratifiedSplit
from concord.errors import ConfigError, DataError
from tests.data.medical.layouts.nih_fixtures import nih
from tests.data.medical.layouts.rsna_fixtures import COUNT, detail_of, image_of, rsna

MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
SPLITS: tuple[Any, ...] = ("train", "validation", "test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rsna(tmp_path)
    return tmp_path / "rsna"


def layout(folder: Path, **settings: Any) -> RSNAPneumonia:
    return RSNAPneumonia(str(folder), **{"mapping": MAPPING, "parts": StratifiedSplit(), **settings})


def images(folder: Path, split: Any = "all", **settings: Any) -> MedicalImages:
    return MedicalImages(layout(folder, **settings), split)


def test_rows_of_one_picture_are_one_exam(folder: Path) -> None:
    exams = list(images(folder, middle="negative").exams)
    assert [exam.image for exam in exams] == [f"{image_of(number)}.dcm" for number in range(COUNT)]
    assert [exam.label for exam in exams] == [int(number % 3 == 2) for number in range(COUNT)]
    assert [exam.known["detail"] for exam in exams] == [detail_of(number) for number in range(COUNT)]
    assert [exam.patient for exam in exams] == [str(9000 + number // 2) for number in range(COUNT)]


def test_the_middle_class_is_left_out_or_negative_and_the_class_names_say_so(folder: Path) -> None:
    without, with_middle = images(folder), images(folder, middle="negative")
    assert (len(without), len(with_middle)) == (40, 60)
    assert "Not Normal" not in {exam.known["detail"] for exam in without.exams}
    assert (without.class_names, with_middle.class_names) == (["normal lungs", "pneumonia"], ["no pneumonia", "pneumonia"])


def test_parts_are_of_whole_patients_and_keep_the_shares_of_the_classes(folder: Path) -> None:
    parts = {split: images(folder, split, middle="negative") for split in SPLITS}
    assert [len(parts[split].patients()) for split in SPLITS] == [21, 4, 5]  # of 20 patients with pneumonia and 10 without
    assert len(set().union(*(part.patients() for part in parts.values()))) == 30
    sick = {exam.patient for exam in images(folder, middle="negative").exams if exam.label}
    assert [len(part.patients() & sick) for part in parts.values()] == [14, 3, 3]


def test_parts_do_not_depend_on_the_order_of_the_rows(folder: Path) -> None:
    before = images(folder, "test")
    for name in ("stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"):
        header, *rows = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join([header, *rows[::-1]]))
    after = images(folder, "test")
    assert (after.list_hash, after.patients()) == (before.list_hash, before.patients())
    assert after.fingerprint() != before.fingerprint()
    assert images(folder, "test", parts=StratifiedSplit(seed=1)).list_hash != before.list_hash


def test_published_lists_by_number(folder: Path) -> None:
    (folder / "test.txt").write_text("".join(f"{image_of(number)}\n" for number in (0, 1, 2)))
    (folder / "val.txt").write_text(image_of(5) + "\n")
    lists = {"validation": "val.txt", "test": "test.txt"}
    found = images(folder, "test", parts=None, lists=lists)
    assert [exam.image for exam in found.exams] == [f"{image_of(number)}.dcm" for number in (0, 2)]
    assert len(images(folder, "validation", parts=None, lists=lists)) == 1
    with pytest.raises(DataError, match="none of its 40 pictures is in split train"):
        images(folder, "train", parts=None, lists=lists)


def test_without_the_mapping_each_picture_passes_for_a_patient_and_a_warning_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images(folder)
    assert "share patients" not in caplog.text
    found = images(folder, mapping=None)
    assert len(found.patients()) == len(found)
    assert "two parts may share patients, as nothing says whose the pictures are" in caplog.text
    assert (found.cohort, images(folder).cohort) == ("rsna", COHORT)


def test_patients_of_nih_can_be_left_out(folder: Path, tmp_path: Path) -> None:
    nih(tmp_path)
    lists = {"train": "train_val_list.txt", "test": "test_list.txt"}
    pretraining = MedicalImages(NIHChestXray14(str(tmp_path / "nih"), lists), "all")
    text = (folder / MAPPING).read_text().replace("00009005_", "00009991_")
    (folder / MAPPING).write_text(text)
    rest = MedicalImages(layout(folder), "all", exclude=[pretraining])
    assert images(folder).patients() - rest.patients() == {"9991"}


def test_what_is_wrong_is_said(folder: Path) -> None:
    with pytest.raises(ConfigError, match="give either lists, published ones, or parts"):
        images(folder, parts=None)
    with pytest.raises(ConfigError, match="lists: 'val' is no part; valid: train, validation, test"):
        images(folder, parts=None, lists={"val": "val.txt"})
    mapping = (folder / MAPPING).read_text()
    (folder / MAPPING).write_text("[]")
    with pytest.raises(DataError, match="60 of 60 pictures are not in it; is it the right mapping"):
        images(folder)
    (folder / MAPPING).write_text(mapping)
    details = folder / "stage_2_detailed_class_info.csv"
    details.write_text("".join(details.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(DataError, match="1 of 60 pictures are not in it; is it of this release"):
        images(folder)


def test_a_guarded_list_with_a_broken_row_names_no_picture(folder: Path) -> None:
    labels = folder / "stage_2_train_labels.csv"
    labels.write_text(labels.read_text() + f"{image_of(99)},,,,,maybe\n")
    with pytest.raises(DataError) as caught:
        images(folder)
    assert image_of(99) not in str(caught.value)
    assert "stage_2_train_labels.csv" in str(caught.value)
