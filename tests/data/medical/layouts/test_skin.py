"""HAM10000 by lesion, and the test list of ISIC 2018."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.layouts import HAM10000
from concord.data.medical.layouts.ham10000 import LESIONS
from concord.errors import DataError
from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts import skin_fixtures as fixtures

LIST = "ISIC2018_Task3_Test_GroundTruth.csv"


def test_pictures_of_both_folders_with_their_lesions(tmp_path: Path) -> None:
    images = MedicalImages(HAM10000(str(fixtures.ham10000(tmp_path))), "train")
    assert len(images) == 3 * len(fixtures.LESIONS)
    assert {images.key(index).split("/")[0] for index in range(3)} == {"HAM10000_images_part_1", "HAM10000_images_part_2"}
    assert all(isinstance(images[index].image, bytes) for index in range(3))
    assert {images.metadata(index)["patient_id"] for index in range(3)} == {"HAM_9990000"}
    assert len(images.patients()) == len(fixtures.LESIONS)
    named = [images.metadata(3 * number)["class_name"] for number in range(len(fixtures.LESIONS))]
    assert named == [LESIONS[name] for name in fixtures.LESIONS]
    assert images.metadata(0)["localization"] == "back"


@pytest.mark.parametrize("seed", range(5))
def test_a_lesion_is_in_one_part(tmp_path: Path, seed: int) -> None:
    layout, split = HAM10000(str(fixtures.ham10000(tmp_path))), PatientSplit(validation=0.0, test=0.5, seed=seed)
    train, test = (MedicalImages(layout, part, split) for part in ("train", "test"))  # type: ignore[arg-type]
    assert train.patients().isdisjoint(test.patients())
    assert len(train) + len(test) == 3 * len(fixtures.LESIONS)
    assert len(test) % 3 == 0


def test_the_test_part_is_the_list_of_isic(tmp_path: Path) -> None:
    folder = fixtures.isic2018(tmp_path)
    test = MedicalImages(HAM10000(str(folder), LIST), "test")
    assert [test.metadata(index)["class_name"] for index in range(7)] == [LESIONS[name.lower()] for name in fixtures.ONE_HOT]
    assert test.key(0) == "ISIC2018_Task3_Test_Input/ISIC_9980000.jpg"
    assert len(MedicalImages(HAM10000(str(folder), LIST), "train")) == len(MedicalImages(HAM10000(str(folder)), "all")) == 21
    rows = [[f"HAM_99700{number // 2}", f"ISIC_998{number:04}", "mel"] for number in range(4)]
    write_csv(folder / LIST, ["lesion_id", "image_id", "dx"], rows)
    named = MedicalImages(HAM10000(str(folder), LIST), "test")
    assert [named.metadata(index)["patient_id"] for index in range(4)] == ["HAM_997000", "HAM_997000", "HAM_997001", "HAM_997001"]
    write_csv(folder / LIST, ["lesion_id", "image_id", "dx"], [["HAM_9990000", "ISIC_9980000", "mel"]])
    with pytest.raises(DataError, match=r"patients are in two splits \(1 in train and test\)"):
        MedicalImages(HAM10000(str(folder), LIST), "test")


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    folder = fixtures.isic2018(tmp_path)
    for row, message in (
        (["ISIC_9980000", *[0.0] * 7], "row 1: 0 diagnoses are 1; one must be"),
        (["ISIC_9980000", 1.0, 1.0, *[0.0] * 5], "row 1: 2 diagnoses are 1"),
        (["ISIC_9970000", 1.0, *[0.0] * 6], r"there is no picture ISIC_9970000\.jpg; is everything unpacked\?"),
    ):
        write_csv(folder / LIST, ["image", *fixtures.ONE_HOT], [row])
        with pytest.raises(DataError, match=message):
            MedicalImages(HAM10000(str(folder), LIST), "test")
    write_csv(folder / "HAM10000_metadata.csv", fixtures.METADATA, [["HAM_1", "ISIC_9990000", "nevus", "", "", "", ""]])
    with pytest.raises(DataError, match="'dx' is 'nevus'"):
        MedicalImages(HAM10000(str(folder)), "train")
