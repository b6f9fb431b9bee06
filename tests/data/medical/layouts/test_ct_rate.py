"""CT-RATE: slices of volumes, with the report of their scan."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical import MedicalImages
from concord.data.medical.exams import UNKNOWN
from concord.data.medical.images import MedicalDecoder, Nifti
from concord.data.medical.layouts import CTRate, Findings
from concord.data.medical.layouts.ct_rate import spacing_of
from concord.errors import DataError
from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts.ct_rate_fixtures import EIGHTEEN, VOLUMES, place_of, write_ct_rate
from tests.data.medical.layouts.files import exams_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_ct_rate(tmp_path)
    return tmp_path


def test_slices_lie_in_the_middle_of_equal_parts(root: Path) -> None:
    found = exams_of(CTRate(str(root), slices=4))
    assert [exam.position for exam in found[:4]] == [0.125, 0.375, 0.625, 0.875]
    assert {exam.position for exam in exams_of(CTRate(str(root), slices=1))} == {0.5}
    assert len({exam.name for exam in found}) == len(found) == 4 * 4


def test_reconstructions_of_a_scan_are_one_study(root: Path) -> None:
    every = exams_of(CTRate(str(root), slices=1, reconstructions=None))
    assert [exam.image for exam in every] == [place_of(name) for name in VOLUMES]
    assert [(exam.patient, exam.study) for exam in every[:3]] == [
        ("train_99990", "train_99990_a"),
        ("train_99990", "train_99990_a"),
        ("train_99990", "train_99990_b"),
    ]
    first = [exam.image for exam in exams_of(CTRate(str(root), slices=1))]
    assert first == [place_of(name) for name in VOLUMES if name != "train_99990_a_2.nii.gz"]


def test_the_first_reconstruction_is_the_one_with_the_lowest_number(root: Path) -> None:
    names = [f"train_99990_a_{number}.nii.gz" for number in (10, 2)]
    header = ["VolumeName", "ClinicalInformation_EN", "Technique_EN", "Findings_EN", "Impressions_EN"]
    write_csv(root / "radiology_text_reports/train_reports.csv", header, [[name, "", "", "", ""] for name in names])
    found = [exam for exam in exams_of(CTRate(str(root), slices=1)) if exam.split == "train"]
    assert [exam.image for exam in found] == [place_of("train_99990_a_2.nii.gz")]


def test_sections_that_are_not_given_are_left_out(root: Path) -> None:
    texts = {exam.study: exam.texts for exam in exams_of(CTRate(str(root)))}
    assert texts["train_99990_b"] == {"technique": "Without contrast.", "findings": "A nodule of 4 mm on the right."}
    assert all("Not given" not in text for own in texts.values() for text in own.values())


def test_parts_by_the_name_of_the_patient(root: Path) -> None:
    train, validation = (MedicalImages(CTRate(str(root)), part) for part in ("train", "validation"))  # type: ignore[arg-type]
    assert train.patients() == {"train_99990", "train_99991"}
    assert validation.patients() == {"valid_99992"}


def test_spacings_and_labels_of_each_volume(root: Path) -> None:
    found = exams_of(CTRate(str(root), slices=1, findings=Findings(EIGHTEEN)))
    assert all(exam.known == {"spacing_mm": [0.72, 0.72, 1.5]} for exam in found)
    nodules = [exam.study for exam in found if exam.findings[EIGHTEEN.index("Lung nodule")] == 1]
    assert nodules == ["train_99990_b"]
    assert all(UNKNOWN not in exam.findings for exam in found)


def test_the_scale_of_the_lists_is_not_read(root: Path) -> None:
    before = exams_of(CTRate(str(root)))
    for file in (root / "metadata").iterdir():
        file.write_text(file.read_text().replace("-1024", "-5000"))
    assert exams_of(CTRate(str(root))) == before


def test_pictures_are_the_units_of_the_volume_in_a_window(root: Path) -> None:
    """Slices of -1000, -800, -600 and -400 HU; with an intercept of -1024 once more, all would be black."""
    lung = MedicalDecoder(nifti=Nifti(window="lung"))
    source = MedicalImages(CTRate(str(root), slices=4), decoder=lung)
    shades = [float(np.asarray(source[index].image).mean()) for index in range(4)]
    assert shades == pytest.approx([255 * (value + 1350) / 1500 for value in (-1000, -800, -600, -400)], abs=0.5)


@pytest.mark.parametrize("text", ["[0.72, 0.72]", "[0.72,0.72]", " [ 7.2e-1 , 0.72 ] "])
def test_spacings_in_the_plane_are_a_list_in_a_text(text: str) -> None:
    assert spacing_of(text, "1.5", "list.csv") == [0.72, 0.72, 1.5]


WRONG_SPACING = 'list.csv: every XYSpacing must be like "[0.72, 0.72]" and every ZSpacing a number, in mm, and one is not'


@given(st.text(), st.text())
def test_other_spacings_are_refused_and_not_told(plane: str, along: str) -> None:
    complaint = None
    try:
        assert len(spacing_of(plane, along, "list.csv")) == 3
    except DataError as error:
        complaint = str(error)
    assert complaint in (None, WRONG_SPACING)


@pytest.mark.parametrize(
    ("plane", "along"), [("[0, 1]", "1"), ("[1, 1]", "-1"), ("[1, 1]", "nan"), ("[1]", "1"), ("[[1], 1]", "1"), ("7", "1"), ("[1, 1]", "")]
)
def test_spacings_that_cannot_be(plane: str, along: str) -> None:
    with pytest.raises(DataError, match=re.escape(WRONG_SPACING)):
        spacing_of(plane, along, "list.csv")


def test_names_of_another_form_are_refused_and_not_told(root: Path) -> None:
    header = ["VolumeName", "ClinicalInformation_EN", "Technique_EN", "Findings_EN", "Impressions_EN"]
    write_csv(root / "radiology_text_reports/train_reports.csv", header, [["J_Doe_a_1.nii.gz", "", "", "", ""]])
    with pytest.raises(DataError, match=r"every VolumeName must be like train_99999_a_1\.nii\.gz, and one is not") as error:
        exams_of(CTRate(str(root)))
    assert "Doe" not in str(error.value)


def test_arguments_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="slices must be at least 1, got 0"):
        CTRate(str(tmp_path), slices=0)
    with pytest.raises(ValueError, match="reconstructions must be at least 1 or null, got 0"):
        CTRate(str(tmp_path), reconstructions=0)
    with pytest.raises(DataError, match=r"neither train_reports\.csv nor validation_reports\.csv in it"):
        exams_of(CTRate(str(tmp_path)))
