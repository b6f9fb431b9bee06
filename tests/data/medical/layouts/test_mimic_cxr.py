"""MIMIC-CXR in the folders of its two releases."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, get_args

import pytest

from concord.data import BadSample
from concord.data.medical import MedicalImages
from concord.data.medical.exams import UNKNOWN
from concord.data.medical.layouts import Findings, MimicCXR
from concord.data.medical.source import Views
from concord.data.medical.text import Reports
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.types import role_of
from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts.files import FIVE, FOURTEEN, exams_of, write_gzip_csv
from tests.data.medical.layouts.mimic_cxr_fixtures import DICOM, IMPRESSIONS, JPG, PICTURES, frontal, write_dicom, write_jpg


def layout(root: Path, **options: Any) -> MimicCXR:
    return MimicCXR(**{"images": str(root / JPG), "lists": str(root / JPG), "reports": str(root / DICOM), **options})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_jpg(tmp_path)
    return tmp_path


def test_every_picture_of_the_split_with_its_patient_study_and_view(root: Path) -> None:
    found = exams_of(layout(root))
    assert [exam.image for exam in found] == [picture.path(number) for number, picture in enumerate(PICTURES)]
    assert [(exam.patient, exam.study) for exam in found] == [(picture.patient, picture.study) for picture in PICTURES]
    assert [exam.view for exam in found] == ["PA", "LATERAL", "", "AP", "AP", "PA", "LATERAL", "AP", "PA", "PA"]
    assert all(exam.findings == () for exam in found)


def test_validate_is_the_validation_part(root: Path) -> None:
    assert [exam.split for exam in exams_of(layout(root))] == ["train"] * 4 + ["validation"] + ["test"] * 5
    assert len(MedicalImages(layout(root), "validation", views="frontal")) == 1


def test_another_word_for_a_part_is_refused_without_its_row(root: Path) -> None:
    row = ["0a1b2c3d-4e5f6071-8293a4b5-c6d7e8f9-01234567", "50000111", "10000099", "holdout"]
    write_gzip_csv(root / JPG / "mimic-cxr-2.0.0-split.csv.gz", ["dicom_id", "study_id", "subject_id", "split"], [row])
    with pytest.raises(DataError, match=r"split\.csv\.gz, column split: every cell must be one of train, validate, test") as error:
        exams_of(layout(root))
    assert not any(identifier in str(error.value) for identifier in row)


def test_pictures_and_reports_have_different_roots(root: Path) -> None:
    mimic = layout(root)
    exams = exams_of(mimic)
    assert not list((root / JPG).rglob("*.txt"))
    for exam in exams:
        assert IMPRESSIONS[exam.study] in mimic.texts(exam, Storage())["report"]
    assert layout(root, reports=None).texts(exams[0], Storage()) == {}
    with pytest.raises(DataError, match=r"reports: .*nowhere: no such folder"):
        exams_of(layout(root, reports=str(root / "nowhere")))


def test_reports_are_read_from_their_folder_alone(root: Path) -> None:
    (root / "secret.txt").write_text("not a report")
    exam = exams_of(layout(root))[0]
    away = type(exam)(image="files/../../../../secret/picture.jpg", patient="p")
    with pytest.raises(BadSample, match="report path leaves its folder"):
        layout(root).texts(away, Storage())
    (root / DICOM / f"files/p10/p10000099/s{exam.study}.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSample, match="report is not UTF-8"):
        layout(root).texts(exam, Storage())


WRITTEN = [
    (" FINAL REPORT\n FINDINGS: \n \n The heart is large. \n \n IMPRESSION: \n \n Large heart is seen.\n", "Large heart is seen."),
    (" FINAL REPORT\n FINDINGS: \n \n The heart is large. \n \n IMPRESSION: \n \n", "The heart is large."),
    (" FINAL REPORT\n CONCLUSION: \n \n Large heart is seen.\n", "Large heart is seen."),
    (" FINAL REPORT\n IMRPESSION: \n \n Large heart is seen.\n", "Large heart is seen."),
    (" FINAL REPORT\n INDICATION: ___F with cough\n \n The lungs are clear on both sides.\n", "The lungs are clear on both sides."),
    (" ADDENDUM:  Compared with ___.\n " + "_" * 78 + "\n FINAL REPORT\n IMPRESSION: \n \n Large heart is seen.\n", "Large heart is seen."),
]
"""Reports, and what is read of them: empty sections, misspelt headings, no heading at all, and an addendum on top."""


@pytest.mark.parametrize(("report", "caption"), WRITTEN)
def test_what_is_read_of_a_report(root: Path, report: str, caption: str) -> None:
    (root / DICOM / "files/p10/p10000099/s50000111.txt").write_text(report)
    source = MedicalImages(layout(root), "train", views="frontal", captions={"report": Reports()})
    assert [(str(text), role_of(text)) for text in source[0].captions] == [(caption, "report")]


def test_dicom_pictures_with_the_lists_of_the_other_release(tmp_path: Path) -> None:
    write_dicom(tmp_path)
    source = MedicalImages(layout(tmp_path, images=str(tmp_path / DICOM), suffix=".dcm"), "train", views="frontal")
    assert [source.key(index) for index in range(len(source))] == list(frontal("train", ".dcm"))
    assert all(source[index].image[128:132] == b"DICM" for index in range(len(source)))  # type: ignore[index]


@pytest.mark.parametrize("columns", [FOURTEEN, sorted(FOURTEEN), FIVE[::-1]])
def test_labels_are_read_by_the_names_of_their_columns(root: Path, columns: list[str]) -> None:
    by_study = {exam.study: exam.findings for exam in exams_of(layout(root, labels="chexpert", findings=Findings(columns)))}
    for study, positive, negative in (("50000111", "Cardiomegaly", "Edema"), ("50000112", "Pleural Effusion", None)):
        found = dict(zip(columns, by_study[study], strict=True))
        assert [column for column in columns if found[column] == 1] == [positive]
        assert [column for column in columns if found[column] == 0] == ([negative] if negative else [])


def test_labels_of_the_other_labeller_and_unpacked_ones(root: Path) -> None:
    packed = root / JPG / "mimic-cxr-2.0.0-negbio.csv.gz"
    (root / JPG / "mimic-cxr-2.0.0-negbio.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    found = exams_of(layout(root, labels="negbio", findings=Findings(["Cardiomegaly"])))
    assert [exam.findings for exam in found[:3]] == [(1,), (1,), (UNKNOWN,)]


def test_studies_without_labels_are_unknown_whatever_blanks_count_as(root: Path) -> None:
    found = exams_of(layout(root, labels="chexpert", findings=Findings(FIVE, blank="negative")))
    by_study = {exam.study: exam.findings for exam in found}
    assert by_study["50000113"] == (UNKNOWN, 0, 0, 0, 0)
    assert by_study["50000114"] == (UNKNOWN,) * 5


def test_airspace_opacity_of_the_radiologist_is_lung_opacity(root: Path) -> None:
    findings = Findings(["Lung Opacity", "Edema"])
    found = exams_of(layout(root, labels="radiologist", findings=findings))
    assert {exam.study: exam.findings for exam in found} == {"50000115": (1, 0), "50000116": (0, 1), "50000117": (0, 0)}
    assert len(found) == 4
    assert {exam.split for exam in found} == {"test"}


def test_a_patient_in_two_parts_is_refused_with_the_count_alone(root: Path) -> None:
    rows = [[f"{number:08x}", f"5000011{number}", "10000099", part] for number, part in enumerate(("train", "validate", "test"))]
    write_gzip_csv(root / JPG / "mimic-cxr-2.0.0-split.csv.gz", ["dicom_id", "study_id", "subject_id", "split"], rows)
    with pytest.raises(DataError, match="1 in train and validation, 1 in train and test, 1 in validation and test") as error:
        MedicalImages(layout(root))
    assert "10000099" not in str(error.value)


def test_the_official_parts_share_no_patient(root: Path) -> None:
    parts = [MedicalImages(layout(root), part).patients() for part in ("train", "validation", "test")]  # type: ignore[arg-type]
    assert not any(one & other for number, one in enumerate(parts) for other in parts[:number])
    assert all(parts)


def test_a_cell_that_is_no_finding_is_refused_without_being_told(root: Path) -> None:
    write_csv(root / JPG / "mimic-cxr-2.0.0-chexpert.csv", ["subject_id", "study_id", "Edema"], [["10000099", "50000111", "J. Doe"]])
    (root / JPG / "mimic-cxr-2.0.0-chexpert.csv.gz").unlink()
    with pytest.raises(DataError, match="column Edema: a finding must be 1, 0, -1 or empty, and one is not") as error:
        exams_of(layout(root, labels="chexpert", findings=Findings(["Edema"])))
    assert "Doe" not in str(error.value)


@pytest.mark.parametrize("options", [{"labels": "chexpert"}, {"findings": Findings(FIVE)}])
def test_labels_and_findings_belong_together(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="labels and findings belong together"):
        layout(tmp_path, **options)


def test_lists_that_are_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / JPG).mkdir(parents=True)
    with pytest.raises(DataError, match=r"no mimic-cxr-2\.0\.0-metadata\.csv\.gz or mimic-cxr-2\.0\.0-metadata\.csv in it"):
        exams_of(layout(tmp_path, reports=None))


def test_nothing_that_identifies_is_told(root: Path) -> None:
    source = MedicalImages(layout(root), "train")
    assert source.access == "credentialed"
    pair = source[0]
    told = repr((pair.key, pair.metadata, source.location(0)))
    assert not any(text in told for text in ("10000099", "50000111", "files/"))
    assert {len(source.key(index)) for index in range(len(source))} == {20}


def test_views_of_a_study(root: Path) -> None:
    counts = {views: len(MedicalImages(layout(root), views=views)) for views in get_args(Views)}
    assert counts == {"all": 4, "frontal": 2, "one": 3, "one_frontal": 2}
