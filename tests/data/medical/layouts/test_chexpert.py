"""CheXpert: two releases of pictures, its list of studies for the test part, and the reports of CheXpert Plus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from concord.data.medical import MedicalImages
from concord.data.medical.exams import UNKNOWN
from concord.data.medical.layouts import CheXpert, CheXpertPlus, Findings
from concord.errors import DataError
from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts.chexpert_fixtures import HEADER, RELEASE, TEST, TRAIN, VALID, write_chexpert, write_part, write_test
from tests.data.medical.layouts.chexpert_plus_fixtures import ACCESSION, RACE, ROWS, write_chexpert_plus, write_table
from tests.data.medical.layouts.files import FIVE, FOURTEEN, cells_of, exams_of, put_file
from tests.data.medical.layouts.test_findings import GLORIA
from tests.data.samples import encode


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_chexpert(tmp_path)
    write_chexpert_plus(tmp_path)
    return tmp_path


@pytest.mark.parametrize("release", [RELEASE, f"{RELEASE}-small"])
def test_the_archive_in_a_path_is_the_release_that_is_there(tmp_path: Path, release: str) -> None:
    write_part(tmp_path / release, "train", TRAIN, release)
    write_part(tmp_path / release, "valid", VALID, "CheXpert-v1.0")
    source = MedicalImages(CheXpert(str(tmp_path), release), "all")
    assert [exam.image for exam in source.exams][:2] == [f"{release}/train/{path}" for path, *_ in TRAIN[:2]]
    assert all(source[index].image for index in range(len(source)))


def test_parts_patients_studies_and_projections(root: Path) -> None:
    found = exams_of(CheXpert(str(root)))
    assert [exam.split for exam in found] == ["train"] * 4 + ["validation"] * 6
    assert [(exam.patient, exam.study) for exam in found[1:4]] == [
        ("patient99990", "study1"),
        ("patient99990", "study2"),
        ("patient99991", "study1"),
    ]
    assert [exam.view for exam in found[:4]] == ["AP", "LATERAL", "PA", "FRONTAL"]
    assert len(MedicalImages(CheXpert(str(root)), views="frontal")) == 3
    assert len(MedicalImages(CheXpert(str(root)), views="one")) == 3


def test_uncertain_and_blank_cells_by_the_policy(root: Path) -> None:
    ignored = exams_of(CheXpert(str(root), findings=Findings(FIVE)))
    assert ignored[2].findings == (UNKNOWN,) * 5
    gloria = exams_of(CheXpert(str(root), findings=Findings(FIVE, uncertain=GLORIA, blank="negative")))
    assert [gloria[2].findings, gloria[3].findings] == [(1, 0, 0, 1, 0), (0, 0, 0, 0, 1)]


def test_the_test_part_is_joined_by_study_and_not_by_order(root: Path) -> None:
    found = [exam for exam in exams_of(CheXpert(str(root), test="CheXpert", findings=Findings(FOURTEEN))) if exam.split == "test"]
    assert len(found) == len(TEST) + 1
    for exam in found:
        assert exam.findings == tuple(TEST[f"{exam.patient}/{exam.study}"].values())
        assert exam.view == ("FRONTAL" if exam.image.endswith("frontal.jpg") else "LATERAL")
    names = ["view1_frontal.jpg", "view2_lateral.jpg"]
    assert [exam.image for exam in found[:2]] == [f"CheXpert/test/patient99970/study1/{name}" for name in names]
    assert len(MedicalImages(CheXpert(str(root), test="CheXpert"), "test", views="one")) == len(TEST)


def test_a_test_part_that_is_not_whole_is_refused_with_the_count(tmp_path: Path) -> None:
    write_test(tmp_path / "CheXpert")
    (tmp_path / "CheXpert/test/patient99971/study1/view1_frontal.jpg").unlink()
    with pytest.raises(DataError, match=r"groundtruth\.csv: 1 studies are only in it, or only in the folder"):
        exams_of(CheXpert(str(tmp_path), test="CheXpert"))


def test_a_folder_with_signs_of_patterns_in_its_name(tmp_path: Path) -> None:
    write_test(tmp_path / "a[1]*/CheXpert")
    assert len(exams_of(CheXpert(str(tmp_path / "a[1]*"), test="CheXpert"))) == len(TEST) + 1


def test_parts_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither train\.csv nor valid\.csv in it; is release right"):
        exams_of(CheXpert(str(tmp_path)))
    write_part(tmp_path / RELEASE, "valid", VALID)
    assert {exam.split for exam in exams_of(CheXpert(str(tmp_path)))} == {"validation"}
    with pytest.raises(DataError, match="none of its 6 pictures is in split train"):
        MedicalImages(CheXpert(str(tmp_path)))


def test_a_path_of_another_form_is_refused_without_being_told(tmp_path: Path) -> None:
    write_csv(tmp_path / RELEASE / "train.csv", HEADER, [["somebody/J.Doe.jpg", "", "", "Frontal", "AP", *cells_of({})]])
    with pytest.raises(DataError, match="every path must be FOLDER/train/patientN/studyN/NAME") as error:
        exams_of(CheXpert(str(tmp_path)))
    assert "Doe" not in str(error.value)


def test_a_patient_in_two_parts_is_refused(tmp_path: Path) -> None:
    write_part(tmp_path / RELEASE, "train", TRAIN)
    write_part(tmp_path / RELEASE, "valid", TRAIN[:1])
    with pytest.raises(DataError, match="1 in train and validation"):
        MedicalImages(CheXpert(str(tmp_path)))


def test_the_parts_share_no_patient(root: Path) -> None:
    parts = [MedicalImages(CheXpert(str(root), test="CheXpert"), part).patients() for part in ("train", "validation", "test")]  # type: ignore[arg-type]
    assert not any(one & other for number, one in enumerate(parts) for other in parts[:number])


@pytest.mark.parametrize(
    ("release", "images", "first"),
    [
        ("png", "PNG", "train/patient42999/study5/view1_frontal.png"),
        ("dicom", "DICOM", "train/patient42999/study5/view1_frontal.dcm"),
        ("jpg", "CheXpert-v1.0", "train/patient42999/study5/view1_frontal.jpg"),
    ],
)
def test_plus_has_a_row_per_picture(root: Path, release: Any, images: str, first: str) -> None:
    found = exams_of(CheXpertPlus(str(root), images, release))
    assert found[0].image == first
    assert [(exam.patient, exam.study, exam.view, exam.split) for exam in found] == [
        ("patient42999", "study5", "AP", "train"),
        ("patient42999", "study5", "LATERAL", "train"),
        ("patient43999", "study1", "PA", "train"),
        ("patient44999", "study1", "AP", "validation"),
    ]
    if release != "jpg":
        assert all((root / images / exam.image).is_file() for exam in found)


def test_plus_repeats_the_report_and_often_lacks_findings(root: Path) -> None:
    texts = [exam.texts for exam in exams_of(CheXpertPlus(str(root)))]
    assert texts[0] == texts[1] == {"findings": "The heart is enlarged.", "impression": "1. Cardiomegaly is seen here."}
    assert texts[2] == {"impression": "No acute disease is seen."}


def test_plus_reads_nothing_else_of_patients(root: Path) -> None:
    told = repr(exams_of(CheXpertPlus(str(root))))
    assert ACCESSION not in told
    assert RACE not in told


def test_plus_joins_the_labels_by_picture(root: Path) -> None:
    labels = "chexbert_labels/impression_fixed.json"
    found = exams_of(CheXpertPlus(str(root), labels=labels, findings=Findings(FIVE, uncertain=GLORIA)))
    assert [exam.findings for exam in found] == [(UNKNOWN, 1, UNKNOWN, 1, UNKNOWN)] * 2 + [(UNKNOWN,) * 5] * 2
    (root / labels).write_text(json.dumps({"path_to_image": ROWS[0]["path_to_image"]}) + "\n")
    with pytest.raises(DataError, match=r"impression_fixed\.json: Atelectasis is missing in one of its lines"):
        exams_of(CheXpertPlus(str(root), labels=labels, findings=Findings(FIVE)))
    with pytest.raises(ValueError, match="labels and findings belong together"):
        CheXpertPlus(str(root), labels=labels)


def test_plus_has_the_patients_of_chexpert(root: Path) -> None:
    plus = MedicalImages(CheXpertPlus(str(root)))
    assert plus.cohort == MedicalImages(CheXpert(str(root))).cohort == "chexpert"
    same = "train/patient99990/study5/view1_frontal"
    write_table(root, [{**ROWS[0], "path_to_image": f"{same}.jpg"}])
    put_file(root / f"PNG/{same}.png", encode())
    assert len(MedicalImages(CheXpert(str(root)), exclude=[MedicalImages(CheXpertPlus(str(root)))])) == 1


def test_the_parts_of_plus_share_no_patient(root: Path) -> None:
    train, validation = (MedicalImages(CheXpertPlus(str(root)), part).patients() for part in ("train", "validation"))  # type: ignore[arg-type]
    assert (train, validation) == ({"patient42999", "patient43999"}, {"patient44999"})
    write_table(root, [*ROWS, {**ROWS[0], "split": "valid"}])
    with pytest.raises(DataError, match="1 in train and validation"):
        MedicalImages(CheXpertPlus(str(root)))
