"""Fundus photographs: both eyes are one patient, and what is said of the patient is not said of the eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.layouts import ODIR, REFUGE, Messidor2
from concord.data.medical.layouts.odir import DISEASES
from concord.errors import DataError
from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts import eye_fixtures as fixtures
from tests.data.medical.layouts.files import exams_of, key_of


@pytest.mark.parametrize("seed", range(4))
def test_both_eyes_are_in_one_part(tmp_path: Path, seed: int) -> None:
    split = PatientSplit(validation=0.3, test=0.3, seed=seed)
    for layout, patients in ((ODIR(str(fixtures.odir(tmp_path))), 8), (Messidor2(str(fixtures.messidor(tmp_path))), 3)):
        eyes = exams_of(layout)
        parts = split.parts(np.array([eye.patient for eye in eyes], dtype=object))
        by_patient = {(eye.patient, part) for eye, part in zip(eyes, parts, strict=True)}
        assert len(by_patient) == patients, "no patient is in two parts"


def test_grades_of_messidor_are_adjudicated_and_pairs_are_patients(tmp_path: Path) -> None:
    folder = fixtures.messidor(tmp_path)
    images = MedicalImages(Messidor2(str(folder)), "all")
    assert [images.metadata(index)["label"] for index in range(len(images))] == [0, 1, 2, 3, 4], "what nobody could grade is left out"
    assert [exam.patient for exam in exams_of(images.layout)] == ["0", "0", "1", "1", "2"]
    assert images.metadata(1)["edema"] == 1
    assert images.key(0) == key_of("messidor2", "9990_PP.png"), "the data set may not be passed on"
    header = ["id_code", "diagnosis", "adjudicated_dme", "adjudicated_gradable"]
    write_csv(folder / "messidor_data.csv", header, [["9991_PP.png", 3, 0, 1]])
    assert MedicalImages(Messidor2(str(folder)), "all").metadata(0)["label"] == 3
    for eye, message in (("9971_PP.png", "its picture is not there"), ("9995_PP.png", "has no partner in the list of pairs")):
        write_csv(folder / "messidor_data.csv", header, [[eye, 3, 0, 1]])
        (folder / "messidor-2.csv").write_text("left;right\n9990_PP.png;9991_PP.png\n")
        with pytest.raises(DataError, match=message):
            list(exams_of(Messidor2(str(folder))))
    (folder / "messidor-2.csv").write_text("left,right\n9990_PP.png,9991_PP.png\n")
    with pytest.raises(DataError, match="expected two columns, left;right, got 1"):
        list(exams_of(Messidor2(str(folder))))


def test_the_class_of_an_eye_is_not_what_the_patient_has(tmp_path: Path) -> None:
    folder = str(fixtures.odir(tmp_path))
    eyes, patients = MedicalImages(ODIR(folder), "all"), MedicalImages(ODIR(folder, "patient"), "all")
    right, left = 2, 3  # of the patient with diabetes
    assert [eyes.metadata(index)["side"] for index in (right, left)] == ["right", "left"]
    assert [eyes.metadata(index)["class_name"] for index in (right, left)] == [DISEASES["N"], DISEASES["D"]]
    assert [eyes.metadata(index)["keywords"] for index in (right, left)] == ["normal fundus", "seen in D"]
    shared = [patients.metadata(index)["labels"] for index in (right, left)]
    assert shared == [[0, 1, 0, 0, 0, 0, 0, 0]] * 2, "the healthy eye shares the label of the other"
    assert eyes.metadata(right)["patient_id"] == eyes.metadata(left)["patient_id"] == "9991"
    with pytest.raises(ValueError, match="labels must be eye or patient, got 'both'"):
        ODIR(folder, "both")  # type: ignore[arg-type]
    table = Path(folder) / "full_df.csv"
    table.write_text(table.read_text().replace("['D']", "\"['D', 'G']\""))
    with pytest.raises(DataError, match="labels must be one of N, D, G"):
        MedicalImages(ODIR(folder), "all")


@pytest.mark.parametrize("table", ["test/index.json", "test/labels.csv"])
def test_names_tell_the_classes_of_the_training_pictures_and_lists_those_of_others(tmp_path: Path, table: str) -> None:
    folder = str(fixtures.refuge(tmp_path))
    train = MedicalImages(REFUGE(folder), "train")
    assert len(train) == 4, "masks of the same names are no pictures"
    found = {exam.image.rpartition("/")[2]: exam.label for exam in exams_of(REFUGE(folder))}
    assert found == {"g0001.jpg": 1, "g0002.jpg": 1, "n0001.jpg": 0, "n0002.jpg": 0}
    test = MedicalImages(REFUGE(folder, {"test": table}), "test")
    assert [test.metadata(index)["label"] for index in range(4)] == [0, 1, 0, 1]
    assert test.class_names == ["no glaucoma", "glaucoma"]
    (Path(folder) / "test/Images/T0003.jpg").unlink()
    with pytest.raises(DataError, match="its picture is not there; is everything unpacked"):
        list(exams_of(REFUGE(folder, {"test": table})))
