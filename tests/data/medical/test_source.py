"""MedicalImages: what all medical data sets share, and that of guarded ones nothing is told."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from concord.data import BadSample
from concord.data.medical import MedicalImages, PatientSplit
from concord.data.source import Described, Fingerprinted, KeyedSource, Located, safe_captions_at
from concord.data.storage.storage import StorageError
from concord.errors import DataError, MissingExtraError
from concord.images import decode
from tests.data.medical.clinic import PLANTED, Clinic, Failing, Told, clinic, exam


def shades(source: MedicalImages) -> list[int]:
    """Which exams they are."""
    return [decode(source[index].image).getpixel((0, 0))[0] for index in range(len(source))]  # type: ignore[index]


def test_a_pair_of_an_open_data_set(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(0, "p1", "s1", label=1, known={"device": "portable"})])
    pair = source[0]
    assert (pair.key, pair.source, source.key(0)) == ("p1/0.png", "clinic", "p1/0.png")
    assert [(str(caption), caption.role) for caption in pair.captions] == [  # type: ignore[attr-defined]
        ("report of p1", "report"),
        ("a radiograph with mass", "label"),
    ]
    assert dict(pair.metadata) == {
        "view": "PA",
        "modality": "radiograph",
        "device": "portable",
        "patient_id": "p1",
        "study_id": "p1/s1",
        "label": 1,
        "class_name": "mass",
    }
    assert source.metadata(0) == pair.metadata
    assert source.captions(0) == pair.captions
    assert source.location(0) == f"{tmp_path}/p1/0.png"
    assert all(isinstance(source, protocol) for protocol in (KeyedSource, Described, Located, Fingerprinted))


def test_findings_nobody_spoke_of_are_unknown(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(0, findings=(1, -1))])
    assert source.metadata(0)["labels"] == [1, None]


def test_a_pair_of_a_guarded_data_set_carries_hashes_in_place_of_names(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(0, study="s1"), exam(1, source_patient := f"{PLANTED}-0", study="s1")], "credentialed")
    first, second = source[0], source[1]
    for text in (first.key, first.metadata["patient_id"], first.metadata["study_id"]):
        assert re.fullmatch("[0-9a-f]{20}", text)
    assert len({first.key, second.key}) == 2
    assert first.metadata["patient_id"] == second.metadata["patient_id"]
    assert first.metadata["study_id"] == second.metadata["study_id"]
    assert source.location(0) == "clinic"
    assert PLANTED not in str(dict(first.metadata)) + first.key
    assert source.patients() == {source_patient}


def test_patients_of_one_cohort_have_one_name_in_all_its_data_sets(tmp_path: Path) -> None:
    layouts = [Clinic(tmp_path, [exam(0)], "restricted", cohort, name) for cohort, name in (("c", "x"), ("c", "y"), ("", "z"))]
    pairs = [MedicalImages(layout)[0] for layout in layouts]
    assert pairs[0].metadata["patient_id"] == pairs[1].metadata["patient_id"] != pairs[2].metadata["patient_id"]
    assert pairs[0].key != pairs[1].key


def test_parts_are_those_of_the_lists(tmp_path: Path) -> None:
    exams = [exam(number, split=split) for number, split in enumerate(("train", "test", "validation", "train", ""))]
    found = {split: shades(clinic(tmp_path, exams, split=split)) for split in ("train", "validation", "test", "all")}
    assert found == {"train": [0, 3], "validation": [2], "test": [1], "all": [0, 1, 2, 3, 4]}


def test_parts_by_patient_share_none_and_are_all(tmp_path: Path) -> None:
    exams = [exam(number, f"p{number // 3}", split="") for number in range(60)]
    split = PatientSplit(0.3, 0.3)
    parts = [clinic(tmp_path, exams, split=part, patient_split=split) for part in ("train", "validation", "test")]
    patients = [source.patients() for source in parts]
    assert sum(map(len, patients)) == len(set().union(*patients)) == 20
    assert all(len(source) == 3 * len(own) for source, own in zip(parts, patients, strict=True))


@pytest.mark.parametrize("access", ["open", "credentialed"])
def test_a_patient_in_two_parts_is_refused_with_the_count(tmp_path: Path, access: Any) -> None:
    exams = [exam(0, f"{PLANTED}-a"), exam(1, f"{PLANTED}-a", split="test"), exam(2)]
    with pytest.raises(DataError, match="1 in train and test") as error:
        clinic(tmp_path, exams, access)
    assert PLANTED not in str(error.value)


def test_a_data_set_without_parts_asks_for_some(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape("clinic has no splits of its own; +patient_split@data.source.patient_split=by_patient")):
        clinic(tmp_path, [exam(0, split="")])


def test_views(tmp_path: Path) -> None:
    exams = [
        exam(0, "p1", "s1", "LATERAL"),
        exam(1, "p1", "s1", "AP"),
        exam(2, "p1", "s1", "PA"),
        exam(3, "p1", "s2", "LATERAL"),
        exam(4, "p2", "s1", "LATERAL"),  # another patient's study of the same name
        exam(5, "p2", "", "PA"),
        exam(6, "p2", "", "PA"),  # pictures that stand alone
    ]
    found = {views: shades(clinic(tmp_path, exams, views=views)) for views in ("all", "frontal", "one", "one_frontal")}
    assert found == {"all": [*range(7)], "frontal": [1, 2, 5, 6], "one": [1, 3, 4, 5, 6], "one_frontal": [1, 5, 6]}


def test_excluded_patients_are_left_out_whatever_their_part(tmp_path: Path) -> None:
    exams = [exam(0, "p1"), exam(1, "p2"), exam(2, "p3"), exam(3, "p4", split="test")]
    other = clinic(tmp_path, [exam(0, "p2", split="test"), exam(1, "p9", split="test")], split="test")
    assert shades(clinic(tmp_path, exams, exclude=[other])) == [0, 2]


def test_patients_of_another_cohort_cannot_be_excluded(tmp_path: Path) -> None:
    other = MedicalImages(Clinic(tmp_path, [exam(0, "p2")], name="elsewhere"))
    with pytest.raises(ValueError, match="exclude: elsewhere has patients of elsewhere, and clinic has those of clinic"):
        clinic(tmp_path, [exam(0, "p2")], exclude=[other])


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (lambda: DataError(f"the file of {PLANTED} is broken"), "image cannot be decoded"),
        (lambda: BadSample("too dark", "name", f"of {PLANTED}"), "too dark"),
        (lambda: StorageError("file not found", f"/{PLANTED}"), "file file not found"),
        (lambda: KeyError(PLANTED), "unexpected KeyError in clinic.py, line"),
        (lambda: UnicodeDecodeError("utf-8", PLANTED.encode(), 0, 1, PLANTED), "unexpected UnicodeDecodeError in clinic.py"),
    ],
)
def test_what_is_wrong_with_a_guarded_exam_is_told_without_what_it_says(
    tmp_path: Path, fault: Callable[[], Exception], cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = clinic(tmp_path, [exam(0)], "credentialed", decoder=Failing(fault))
    with caplog.at_level(logging.DEBUG), pytest.raises(BadSample) as error:
        source[0]
    assert error.value.cause.startswith(cause)
    assert error.value.key == source.key(0)
    assert PLANTED not in str(error.value) + caplog.text
    assert error.value.__suppress_context__  # a stack trace does not go on to the error that says more


def test_of_an_open_exam_all_is_told(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(0, "p1")], decoder=Failing(lambda: DataError("half a file")))
    with pytest.raises(BadSample, match=re.escape("p1/0.png: image cannot be decoded (half a file)")):
        source[0]
    source = clinic(tmp_path, [exam(0, "p1")], decoder=Failing(lambda: KeyError("a fault")))
    with pytest.raises(KeyError, match="a fault"):
        source[0]


def test_a_package_that_is_missing_is_no_bad_example(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(0)], "credentialed", decoder=Failing(lambda: MissingExtraError("pydicom", "medical")))
    with pytest.raises(MissingExtraError):
        source[0]


class Listless(Clinic):
    """A layout whose list cannot be read."""

    fault: Exception

    def exams(self, storage: Any) -> Any:
        raise self.fault


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            DataError(f"/lists/split.csv, row 3: 'split' must be text, got '{PLANTED}'"),
            "/lists/split.csv, row 3: '...' must be text, got '...'",
        ),
        (ValueError(f"invalid literal: {PLANTED}"), "a fault of the program over credentialed data: ValueError in test_source.py"),
    ],
)
def test_a_guarded_list_that_is_broken_is_named_and_not_quoted(tmp_path: Path, fault: Exception, told: str) -> None:
    layout = Listless(tmp_path, [], "credentialed")
    layout.fault = fault
    with pytest.raises(DataError, match=re.escape(told)) as error:
        MedicalImages(layout)
    assert PLANTED not in str(error.value)
    layout.access = "open"
    with pytest.raises(type(fault), match=PLANTED):
        MedicalImages(layout)


def test_pictures_that_are_not_there(tmp_path: Path) -> None:
    for access, example in (("open", f", such as {tmp_path}/{PLANTED}-0/0.png"), ("restricted", "")):
        layout = Clinic(tmp_path, [exam(0)], access)  # type: ignore[arg-type]
        (tmp_path / layout.listed[0].image).unlink()
        with pytest.raises(DataError, match=re.escape(f"none of its pictures is in {tmp_path}{example}; is the path right?")):
            MedicalImages(layout)


def test_a_path_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    source = clinic(inside, [exam(0, "p1"), exam(1, "p/../../out")])
    with pytest.raises(BadSample, match="image path leaves image_root"):
        source[1]


def test_an_exam_without_any_caption_is_a_bad_example(tmp_path: Path) -> None:
    source = clinic(tmp_path, [exam(0), exam(1, texts={})], captions={"report": Told()})
    with pytest.raises(BadSample, match="nothing to make a caption of"):
        source.captions(1)
    assert clinic(tmp_path, [exam(0, texts={})], captions=None)[0].captions == ()  # benchmarks need none


def test_captions_that_may_be_kept_as_a_vocabulary(tmp_path: Path) -> None:
    exams = [exam(0, label=0), exam(1)]
    guarded = clinic(tmp_path, exams, "credentialed")
    assert [safe_captions_at(guarded, index) for index in (0, 1)] == [("a radiograph with edema",), ()]
    assert [len(safe_captions_at(clinic(tmp_path, exams), index)) for index in (0, 1)] == [2, 1]


def test_the_fingerprint_follows_the_exams(tmp_path: Path) -> None:
    listed = [exam(0), exam(1), exam(2, split="test")]
    prints = [
        clinic(tmp_path, listed).fingerprint(),
        clinic(tmp_path, listed[:2]).fingerprint(),
        clinic(tmp_path, listed[:1]).fingerprint(),
    ]
    assert prints[0] == prints[1] != prints[2]


def test_equal_sources_read_the_same_and_have_equal_decoders_and_captions(tmp_path: Path) -> None:
    def made(**options: Any) -> MedicalImages:
        return clinic(tmp_path, [exam(0)], **options)

    assert made() == made()
    assert hash(made()) == hash(made())
    assert made() != made(captions=None)
    assert made(decoder=Failing(KeyError)) != made()
    assert made(decoder=Failing(KeyError)) == made(decoder=Failing(KeyError))


@pytest.mark.parametrize("argument", ["split", "views"])
def test_unknown_policies_are_refused(tmp_path: Path, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be one of .*, got 'some'"):
        clinic(tmp_path, [exam(0)], **{argument: "some"})
