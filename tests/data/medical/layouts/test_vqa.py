"""Visual questions: one example for each picture, whose parts share no picture whatever the published questions do."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest

from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.answers import answered
from concord.data.medical.layouts import SLAKE, VQARAD, PathVQA, PathVQAParquet
from concord.data.medical.splits import Part
from concord.errors import DataError
from tests.conftest import ROOT
from tests.data.medical.layouts.files import exams_of
from tests.data.medical.layouts.vqa_fixtures import questions, write_path_vqa, write_path_vqa_json, write_slake, write_vqa_rad

REAL = Path(os.environ.get("CONCORD_VQA_RAD", ROOT.parent / "shared" / "data" / "vqa_rad"))
"""The real ones, where they are."""


def put_questions(root: Path, **changes: Any) -> None:
    """One picture with one question, parts of which are as given."""
    write_vqa_rad(root, 1)
    (root / "trainset.json").write_text(json.dumps([{**questions(0)[1], **changes}]))
    (root / "testset.json").write_text("[]")


def test_vqa_rad_has_an_exam_for_each_picture_with_all_its_questions(tmp_path: Path) -> None:
    first, second = exams_of(VQARAD(str(write_vqa_rad(tmp_path, 2))))
    assert (first.image, first.patient, first.split) == ("synpic99900.jpg", "synpic99900.jpg", "")
    assert [(pair.question, pair.answer) for pair in answered(first.texts)] == [
        ("What kind of image is this?", "plain film x-ray"),
        ("Is/Are there a swallowed coin?", "Yes"),  # without "-yes/no", of type "CLOSED "
        ("How many coins are there?", "1"),  # a number in the file, and the question of the test
    ]
    assert first.known == {"organ": "the chest", "plane": "", "question_types": [["MODALITY"], ["PRES"], ["COUNT", "ATTRIB"]]}
    assert (first.modality, second.modality) == ("radiograph", "ct")
    assert (first.label, first.findings) == (None, ())


def test_vqa_rad_counts_the_pictures_that_the_published_parts_share(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        exams_of(VQARAD(str(write_vqa_rad(tmp_path, 6))))
    assert "2 of the 2 pictures of its 2 test questions are also in its 16 training questions" in caplog.text


def test_vqa_rads_parts_share_no_picture_and_are_the_same_for_training_and_tests(tmp_path: Path) -> None:
    write_vqa_rad(tmp_path)
    split = PatientSplit(0.1, 0.3)
    trained = MedicalImages(VQARAD(str(tmp_path)), "train", split).patients()
    for label in ("organ", "modality", None):
        held_out = MedicalImages(VQARAD(str(tmp_path), label), "test", split).patients()  # type: ignore[arg-type]
        assert held_out
        assert not trained & held_out
    everybody = [MedicalImages(VQARAD(str(tmp_path)), part, split).patients() for part in get_args(Part)[:3]]
    assert sum(map(len, everybody)) == len(set().union(*everybody)) == 28
    with pytest.raises(DataError, match="vqa_rad has no splits of its own"):
        MedicalImages(VQARAD(str(tmp_path)), "test")


def test_vqa_rads_labels(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_vqa_rad(tmp_path, 3)
    named = {label: MedicalImages(VQARAD(str(tmp_path), label), "all") for label in ("organ", "modality")}  # type: ignore[arg-type]
    classes = {label: [source.metadata(index)["class_name"] for index in range(len(source))] for label, source in named.items()}
    assert classes == {"organ": ["the chest", "the abdomen", "the head"], "modality": ["a radiograph", "a CT scan", "an MRI scan"]}
    rows = json.loads((tmp_path / "trainset.json").read_text())
    (tmp_path / "trainset.json").write_text(json.dumps([row for row in rows if row["answer"] != "CT with contrast"]))
    with caplog.at_level(logging.INFO):
        told = exams_of(VQARAD(str(tmp_path), "modality"))
    assert [(exam.image, exam.label) for exam in told] == [("synpic99900.jpg", 0), ("synpic99902.jpg", 2)]
    assert "1 of 3 pictures are left out, as no question tells their modality" in caplog.text
    with pytest.raises(ValueError, match="label must be one of organ, modality, or null, got 'plane'"):
        VQARAD(str(tmp_path), "plane")  # type: ignore[arg-type]


def test_vqa_rads_broken_lists(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put_questions(tmp_path, image_organ="KNEE")
    with pytest.raises(DataError, match="'image_organ' is 'KNEE'"):
        exams_of(VQARAD(str(tmp_path)))
    put_questions(tmp_path, answer=" ")
    assert exams_of(VQARAD(str(tmp_path))) == []
    assert "1 records are left out, as they lack a question or an answer" in caplog.text
    rows = [{key: value for key, value in row.items() if key != "answer"} for row in questions(0)]
    (tmp_path / "trainset.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match=r"trainset.json\[0\]: 'answer' is missing"):
        exams_of(VQARAD(str(tmp_path)))


@pytest.mark.skipif(not REAL.is_dir(), reason="the pictures of VQA-RAD are not here")
def test_the_real_vqa_rad(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        exams = exams_of(VQARAD(str(REAL)))
    assert "203 of the 203 pictures of its 451 test questions are also in its 3064 training questions" in caplog.text
    assert len(exams) == 314
    assert sum(len(answered(exam.texts)) for exam in exams) == 3064 + 451
    assert {kind for exam in exams for kinds in exam.known["question_types"] for kind in kinds} == {
        *("PRES", "ABN", "MODALITY", "ORGAN", "POS", "PLANE", "OTHER", "SIZE", "COLOR", "ATTRIB", "COUNT")
    }
    kinds = Counter((exam.known["organ"], exam.modality) for exam in exams if exam.modality)
    # Chests are radiographs, abdomens CTs, heads CTs or MRIs; the CTs and MRIs were looked at one by one.
    assert kinds == {("the chest", "radiograph"): 52, ("the head", "mri"): 42, ("the abdomen", "ct"): 23, ("the head", "ct"): 5}


@pytest.mark.parametrize("middle", ["validate", "validation"])
def test_slake_keeps_one_language_and_its_published_parts(middle: str, tmp_path: Path) -> None:
    exams = exams_of(SLAKE(str(write_slake(tmp_path, middle))))
    assert [(exam.image, exam.split) for exam in exams] == [
        ("xmlab9900/source.jpg", "train"),
        ("xmlab9901/source.jpg", "train"),
        ("xmlab9902/source.jpg", "validation"),
        ("xmlab9903/source.jpg", "test"),
        ("xmlab9904/source.jpg", "test"),
    ]
    first = exams[0]
    # Neither the question in Chinese, whose record has less in it, nor the one that asks for knowledge.
    assert [pair.question for pair in answered(first.texts)] == [
        "Does the picture contain a coin?",
        "What is the scanning plane of this image?",
    ]
    assert (first.patient, first.modality, first.known["organ"], first.known["plane"]) == ("xmlab9900", "ct", "the abdomen", "axial")
    assert [exam.modality for exam in exams] == ["ct", "radiograph", "mri", "ct", "mri"]


def test_slake_in_chinese_and_with_a_picture_in_two_parts(tmp_path: Path) -> None:
    write_slake(tmp_path)
    for part in ("train", "validate", "test"):
        rows = json.loads((tmp_path / f"{part}.json").read_text())
        full = next(row for row in rows if row["q_lang"] == "en")
        spoken = [{**full, **row, "base_type": "vqa"} for row in rows]
        (tmp_path / f"{part}.json").write_text(json.dumps(spoken))
    assert [pair.answer for exam in exams_of(SLAKE(str(tmp_path), "zh")) for pair in answered(exam.texts)] == ["硬币"] * 5
    with pytest.raises(ValueError, match="language must be one of en, zh, got 'de'"):
        SLAKE(str(tmp_path), "de")  # type: ignore[arg-type]
    (tmp_path / "test.json").write_text((tmp_path / "train.json").read_text())
    with pytest.raises(DataError, match=r"slake: patients are in two splits .*in train and test"):
        MedicalImages(SLAKE(str(tmp_path)))
    (tmp_path / "validate.json").unlink()
    with pytest.raises(DataError, match=r"validate.json or .*validation.json: no such file"):
        exams_of(SLAKE(str(tmp_path)))


def test_slakes_masks_are_not_read(tmp_path: Path) -> None:
    source = MedicalImages(SLAKE(str(write_slake(tmp_path))), "all")
    assert all(isinstance(source[index].image, bytes) and source[index].image != b"no picture" for index in range(len(source)))


@pytest.mark.parametrize("form", [PathVQA, PathVQAParquet])
def test_path_vqa_is_the_same_in_both_forms(form: type[PathVQA | PathVQAParquet], tmp_path: Path) -> None:
    write = write_path_vqa_json if form is PathVQA else write_path_vqa
    exams = exams_of(form(str(write(tmp_path))))
    assert [exam.split for exam in exams] == ["train", "train", "validation", "test"]
    assert [(pair.question, pair.answer) for pair in answered(exams[0].texts)] == [
        ("Is necrosis present?", "no"),
        ("What is stained red?", "the coin"),
    ]
    assert [pair.affirmed for exam in exams for pair in answered(exam.texts)] == [False, None, True, None, True]
    source = MedicalImages(form(str(tmp_path)), "all")
    assert len({source[index].image for index in range(4)}) == 4  # type: ignore[arg-type]


def test_path_vqas_pickles_are_refused_with_a_way_out(tmp_path: Path) -> None:
    write_path_vqa_json(tmp_path)
    (tmp_path / "qas/val/val_qa.json").rename(tmp_path / "qas/val/val_qa.pkl")
    with pytest.raises(DataError, match=r"val_qa\.pkl is a pickle, which may run any code .*take the Parquet files .*val_qa\.json"):
        exams_of(PathVQA(str(tmp_path)))
    (tmp_path / "qas/val/val_qa.pkl").unlink()
    assert [exam.split for exam in exams_of(PathVQA(str(tmp_path)))] == ["train", "train", "test"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no qas/train/train_qa\.json"):
        exams_of(PathVQA(str(tmp_path / "empty")))
