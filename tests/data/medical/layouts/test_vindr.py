"""VinDr-CXR in its exact layouts: three readers become one, two spellings one class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from concord.data.medical import MedicalImages
from concord.data.medical.layouts.vindr import BOXED, FINDINGS, VinDrCXR, VinDrKaggle
from concord.data.medical.splits import PatientSplit
from concord.errors import ConfigError, DataError
from tests.data.medical.layouts.vindr_fixtures import AGREED, BOXES, COLUMNS, NUMBERED, READ, image_of, vindr_cxr, vindr_kaggle


def found(layout: VinDrCXR | VinDrKaggle, split: Any = "train") -> dict[str, set[str]]:
    """By picture the columns of the findings that are there."""
    exams = MedicalImages(layout, split).exams
    return {exam.patient: {name for name, label in zip(layout.findings, exam.findings, strict=True) if label == 1} for exam in exams}


def said_by(readers: list[list[str]], least: int) -> set[str]:
    """Counted by hand: what at least so many readers named."""
    return {name for own in readers for name in own if sum(name in other for other in readers) >= least}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vindr_cxr(tmp_path)
    return tmp_path / "vindr-cxr"


def test_three_radiologists_become_one_by_majority_or_any(folder: Path) -> None:
    by_majority, by_any = found(VinDrCXR(str(folder))), found(VinDrCXR(str(folder), agreement="any"))
    for number, readers in enumerate(READ):
        assert by_majority[image_of("train", number)] == said_by(readers, 2)
        assert by_any[image_of("train", number)] == said_by(readers, 1)
    assert by_majority[image_of("train", 0)] == {"Cardiomegaly"}
    assert "Other diseases" in by_any[image_of("train", 0)]


def test_the_column_of_other_diseases_has_two_names(folder: Path) -> None:
    texts = [(folder / f"annotations/image_labels_{part}.csv").read_text().splitlines()[0] for part in ("train", "test")]
    assert ["Other diseases" in text for text in texts] == [True, False]
    test = found(VinDrCXR(str(folder)), "test")
    assert [test[image_of("test", number)] for number in range(len(AGREED))] == [set(names) for names in AGREED]
    assert test[image_of("test", 2)] == {"Other diseases"}


def test_columns_are_found_by_name(folder: Path) -> None:
    before = found(VinDrCXR(str(folder)), "test")
    file = folder / "annotations/image_labels_test.csv"
    rows = [line.split(",")[::-1] for line in file.read_text().splitlines()]
    file.write_text("".join(",".join(row) + "\n" for row in rows))
    assert found(VinDrCXR(str(folder)), "test") == before


def test_findings_are_chosen_in_an_order(folder: Path) -> None:
    assert list(FINDINGS) == COLUMNS
    layout = VinDrCXR(str(folder), ["Tuberculosis", "Edema"])
    assert layout.class_names == ["tuberculosis", "pulmonary edema"]
    exams = {exam.patient: exam.findings for exam in MedicalImages(layout, "test").exams}
    assert exams[image_of("test", 0)] == (1, 0)
    with pytest.raises(ConfigError, match="findings: 'Oedema' is none of this release; did you mean Edema"):
        VinDrCXR(str(folder), ["Oedema"])


def test_files_end_in_dicom_and_are_guarded(folder: Path) -> None:
    source = MedicalImages(VinDrCXR(str(folder)), "test")
    assert source.exams[0].image == f"test/{image_of('test', 0)}.dicom"
    assert source[0].image[128:132] == b"DICM"  # type: ignore[index]
    assert "9000" not in source.key(0) + str(source.metadata(0)) + source.location(0)


def test_nobody_makes_parts_of_unknown_patients(folder: Path) -> None:
    with pytest.raises(DataError, match="nothing says which of its pictures are of one patient"):
        MedicalImages(VinDrCXR(str(folder)), "test", PatientSplit())


def test_boxes_of_the_challenge_count_once_a_reader(tmp_path: Path) -> None:
    vindr_kaggle(tmp_path)
    assert list(BOXED) == NUMBERED
    layout = VinDrKaggle(str(tmp_path / "vindr-kaggle"))
    by_majority, by_any = found(layout), found(VinDrKaggle(str(tmp_path / "vindr-kaggle"), agreement="any"))
    for number, readers in enumerate(BOXES):
        assert by_majority[image_of("train", number)] == said_by([sorted(set(own)) for own in readers], 2)
        assert by_any[image_of("train", number)] == said_by(readers, 1)
    assert by_majority[image_of("train", 0)] == {"Cardiomegaly"}  # two boxes of one reader are one voice
    with pytest.raises(ConfigError, match="findings: 'Edema' is none of this release"):
        VinDrKaggle(str(tmp_path), ["Edema"])


def test_a_broken_cell_is_told_without_what_it_holds(folder: Path, tmp_path: Path) -> None:
    file = folder / "annotations/image_labels_test.csv"
    file.write_text(file.read_text() + ",".join([image_of("test", 77), *["Planted99999"] * 28]) + "\n")
    with pytest.raises(DataError) as caught:
        found(VinDrCXR(str(folder)), "test")
    assert "image_labels_test.csv" in str(caught.value)
    assert not {"Planted99999", image_of("test", 77)} & set(str(caught.value).replace("'", " ").split())
    vindr_kaggle(tmp_path)
    table = tmp_path / "vindr-kaggle/train.csv"
    table.write_text(table.read_text().replace("Nodule/Mass", "Planted99999"))
    with pytest.raises(DataError) as caught:
        found(VinDrKaggle(str(tmp_path / "vindr-kaggle")))
    assert "Planted99999" not in str(caught.value)
