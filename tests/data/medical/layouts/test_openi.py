"""OpenI: reports in XML, none to several pictures each, and the mirror in CSV."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.layouts import OpenI, OpenIKaggle
from concord.data.storage.storage import Storage
from concord.errors import DataError
from tests.data.medical.layouts.files import exams_of
from tests.data.medical.layouts.openi_fixtures import IMAGES, write_dicom, write_kaggle, write_xml, xml


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_xml(tmp_path)
    return tmp_path


def test_reports_have_none_to_several_pictures(root: Path) -> None:
    found = exams_of(OpenI(str(root)))
    assert [exam.image for exam in found] == [f"{image}.png" for image in IMAGES]
    assert [exam.patient for exam in found] == ["CXR9001", "CXR9002", "CXR9002", "CXR9010"]
    assert all(exam.patient == exam.study for exam in found)
    assert len(list((root / "ecgen-radiology").glob("*.xml"))) == 4


def test_sections_that_are_empty_are_left_out(root: Path) -> None:
    texts = {exam.patient: exam.texts for exam in exams_of(OpenI(str(root)))}
    assert texts["CXR9002"] == {"impression": "Heart is mildly enlarged."}
    assert texts["CXR9010"] == {"findings": "The lungs are clear on both sides."}
    assert list(texts["CXR9001"]) == ["comparison", "indication", "findings", "impression"]


def test_headings_are_known(root: Path) -> None:
    assert [exam.known["mesh"] for exam in exams_of(OpenI(str(root)))] == [["normal"], *[["Cardiomegaly/mild"]] * 2, ["normal"]]


def test_dicom_files_have_other_names(root: Path) -> None:
    write_dicom(root)
    found = exams_of(OpenI(str(root), "NLMCXR_dcm", "dicom"))
    assert found[0].image == "9001/9001_IM-9001-1001.dcm"
    assert all((root / "NLMCXR_dcm" / exam.image).is_file() for exam in found)


def test_parts_of_r2gen_by_report(root: Path) -> None:
    found = exams_of(OpenI(str(root), splits="annotation.json"))
    assert [exam.split for exam in found] == ["train", "validation", "validation", "test"]
    assert len(MedicalImages(OpenI(str(root), splits="annotation.json"), "test")) == 1


def test_a_report_in_two_parts_is_refused_with_the_count(root: Path) -> None:
    entry = {"id": "CXR9001_IM-9001"}
    (root / "annotation.json").write_text(json.dumps({"train": [entry], "val": [], "test": [{"id": "CXR9001_IM-0009"}]}))
    with pytest.raises(DataError, match=r"annotation\.json: 1 identifiers are in two parts"):
        exams_of(OpenI(str(root), splits="annotation.json"))


@pytest.mark.parametrize("document", [{"train": [1], "val": [], "test": []}, {"train": [{"id": 1}], "val": [], "test": []}])
def test_a_split_of_another_form_is_refused(root: Path, document: Any) -> None:
    (root / "annotation.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match="train must list objects with an id"):
        exams_of(OpenI(str(root), splits="annotation.json"))


def test_without_a_split_parts_are_made_by_report(root: Path) -> None:
    with pytest.raises(DataError, match="has no splits of its own"):
        MedicalImages(OpenI(str(root)))
    split = PatientSplit(validation=0.3, test=0.3, seed=4)
    parts = [{exam.patient for exam in part_of(root, part, split)} for part in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 3


def part_of(root: Path, part: Any, split: PatientSplit) -> Any:
    try:
        return MedicalImages(OpenI(str(root)), part, split).exams
    except DataError:
        return []


def test_projections_are_those_of_kaggle(root: Path) -> None:
    assert {exam.view for exam in exams_of(OpenI(str(root)))} == {""}
    found = exams_of(OpenI(str(root), projections="indiana_projections.csv"))
    assert [exam.view for exam in found] == ["FRONTAL", "FRONTAL", "LATERAL", "FRONTAL"]
    write_dicom(root)
    found = exams_of(OpenI(str(root), "NLMCXR_dcm", "dicom", projections="indiana_projections.csv"))
    assert [exam.view for exam in found] == ["FRONTAL", "FRONTAL", "LATERAL", "FRONTAL"]


def test_the_mirror_says_the_same(root: Path) -> None:
    write_kaggle(root)
    mirror = exams_of(OpenIKaggle(str(root), splits="annotation.json"))
    reports = exams_of(OpenI(str(root), splits="annotation.json", projections="indiana_projections.csv"))
    assert [replace(exam, image="") for exam in mirror] == [replace(exam, image="") for exam in reports]
    source = MedicalImages(OpenIKaggle(str(root)), "all")
    assert all(source[index].image for index in range(len(mirror)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<eCitation>", "9001.xml is not XML"),
        ("<eCitation/>", "no uId with an id in it"),
        (xml("9001").replace("CXR9001_9001_IM", "../../secret"), "is no name of a picture"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><eCitation/>', "has a document type"),
    ],
)
def test_files_that_are_no_reports_are_named(root: Path, content: str, message: str) -> None:
    (root / "ecgen-radiology/9001.xml").write_text(content)
    with pytest.raises(DataError, match=message):
        list(OpenI(str(root)).exams(Storage()))
