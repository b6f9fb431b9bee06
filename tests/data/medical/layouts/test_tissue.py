"""Histology: classes with and without background, copies that are refused and grouped, grades in Excel files, lists without header."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.layouts import BACH, LC25000, NCTCRC, GroupedByLook, SICAPv2
from concord.data.medical.layouts.nct_crc import TISSUES
from concord.data.storage.storage import Storage
from concord.errors import DataError
from tests.data.benchmarks.classification.drawn import write_picture
from tests.data.medical.layouts import tissue_fixtures as fixtures
from tests.data.medical.layouts.tissue_fixtures import COPIES, ORIGINALS, write_xlsx


def classes_of(images: MedicalImages) -> list[str]:
    return [str(images.metadata(index)["class_name"]) for index in range(len(images))]


@pytest.mark.parametrize("classes", [8, 9])
def test_colon_has_eight_or_nine_classes(tmp_path: Path, classes: int) -> None:
    fixtures.nct_crc(tmp_path)
    layout = NCTCRC(str(tmp_path / "unimed"), classes)  # type: ignore[arg-type]
    test, train = MedicalImages(layout, "test"), MedicalImages(layout, "train")
    expected = [name for folder, name in TISSUES.items() if classes == 9 or folder != "BACK"]
    assert test.class_names == expected == sorted(classes_of(test), key=expected.index)
    assert len(test) == len(train) == classes
    assert test.key(0).startswith("CRC-VAL-HE-7K/ADI/")
    assert train.key(0).startswith("NCT-CRC-HE-100K/ADI/")
    assert ("background" in test.class_names) == (classes == 9)


def test_colon_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="classes must be 8 or 9, got 7"):
        NCTCRC(str(tmp_path), 7)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="neither NCT-CRC-HE-100K nor CRC-VAL-HE-7K is in it"):
        MedicalImages(NCTCRC(str(tmp_path)), "test")
    fixtures.nct_crc(tmp_path)
    with pytest.raises(DataError, match="nothing says which"):
        MedicalImages(NCTCRC(str(tmp_path / "unimed")), "test", PatientSplit())


def test_lung_and_colon_are_asked_about_as_a_whole(tmp_path: Path) -> None:
    for place in ("lung_colon_image_set/lung_image_sets", "flat"):
        for folder in ("lung_aca", "lung_n", "lung_scc"):
            write_picture(tmp_path / place / folder / f"{folder}1.jpeg")
        images = MedicalImages(LC25000(str(tmp_path / place.partition("/")[0]), "lung"), "all")
        assert classes_of(images) == images.class_names == ["lung adenocarcinoma", "benign lung tissue", "lung squamous cell carcinoma"]
    with pytest.raises(DataError, match="no image in a folder called colon_aca or colon_n"):
        MedicalImages(LC25000(str(tmp_path), "colon"), "all")
    with pytest.raises(ValueError, match="organ must be one of lung, colon, got 'liver'"):
        LC25000(str(tmp_path), "liver")  # type: ignore[arg-type]


def test_parts_of_copies_are_refused_until_they_are_grouped(tmp_path: Path) -> None:
    fixtures.lung_copies(tmp_path)
    layout, split = LC25000(str(tmp_path / "unimed/LC25000_test"), "lung"), PatientSplit(validation=0.0, test=0.4, seed=3)
    with pytest.raises(DataError, match="nothing says which of its pictures are of one patient or copies of one another"):
        MedicalImages(layout, "train", split)
    with pytest.raises(DataError, match="lc25000_lung has no splits of its own"):
        MedicalImages(layout, "train")
    storage = Storage(cache=str(tmp_path / "cache"))
    train, test = (MedicalImages(GroupedByLook(layout), part, split, storage=storage) for part in ("train", "test"))  # type: ignore[arg-type]
    assert train.patients().isdisjoint(test.patients())
    assert len(train.patients() | test.patients()) == 3 * ORIGINALS
    originals = [{(key.split("/")[0], int(key[-9:-5]) // COPIES) for key in map(part.key, range(len(part)))} for part in (train, test)]
    assert originals[0].isdisjoint(originals[1]), "no original has copies on both sides"
    assert len(list((tmp_path / "cache/looks").iterdir())) == 1


def test_a_changed_picture_is_looked_at_again_and_a_broken_one_is_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "unimed/LC25000_test"
    fixtures.drawn_copies(folder, ["lung_aca", "lung_n"], 2, 4)
    storage = Storage(cache=str(tmp_path / "cache"))
    layout = GroupedByLook(LC25000(str(folder), "lung"))
    assert len({exam.patient for exam in layout.exams(storage)}) == 4
    (folder / "lung_n/lung_n0003.jpeg").write_bytes(b"no picture")
    with caplog.at_level("WARNING"):
        groups = {exam.image: exam.patient for exam in layout.exams(storage)}
    assert groups["lung_n/lung_n0003.jpeg"] == "lung_n/lung_n0003.jpeg"
    assert len(set(groups.values())) == 5
    assert "1 of 16 pictures cannot be read" in caplog.text
    with pytest.raises(ValueError, match="distance must be above 0, got 0"):
        GroupedByLook(LC25000(str(folder), "lung"), 0)


def test_grades_are_those_of_the_official_parts_and_patients_those_of_the_slides(tmp_path: Path) -> None:
    folder = str(fixtures.sicap(tmp_path))
    test = MedicalImages(SICAPv2(folder), "test")
    assert [test.metadata(index)["label"] for index in range(4)] == [0, 1, 2, 3]
    assert {test.metadata(index)["patient_id"] for index in range(4)} == {"9"}
    assert [test.metadata(index)["slide_id"] for index in (0, 3)] == ["99B900000A", "99B900001A"]
    assert MedicalImages(SICAPv2(folder), "train").patients() == {"8"}
    assert len(MedicalImages(SICAPv2(folder, "Validation/Val1"), "validation")) == 4
    fixtures.sicap(tmp_path, shared=True)
    with pytest.raises(DataError, match="patients are in two splits"):
        MedicalImages(SICAPv2(folder), "test")


def test_the_largest_column_is_the_grade_and_the_first_of_equal_ones(tmp_path: Path) -> None:
    folder = fixtures.sicap(tmp_path)
    header, image = ["image_name", "NC", "G3", "G4", "G5", "G4C"], "99B900000A_Block_Region_1_0_0_xini_10_yini_20.jpg"
    for row, label in (([0, 0.2, 0.7, 0.1, 1], 2), ([0, 1, 1, 0, 0], 1)):
        write_xlsx(folder / "partition/Test/Test.xlsx", header, [[image, *row]])
        assert MedicalImages(SICAPv2(str(folder)), "test").metadata(0)["label"] == label
    for row, message in (([0, 0, 0, 0, 1], "none of NC, G3, G4, G5 is set"), (["x", 0, 0, 0, 0], "'NC' must be a number")):
        write_xlsx(folder / "partition/Test/Test.xlsx", header, [[image, *row]])
        with pytest.raises(DataError, match=message):
            MedicalImages(SICAPv2(str(folder)), "test")
    write_xlsx(folder / "partition/Test/Test.xlsx", header, [["77A_Block_1.jpg", 1, 0, 0, 0, 0]])
    with pytest.raises(DataError, match=r"slide 77A is not in wsi_labels\.xlsx"):
        MedicalImages(SICAPv2(str(folder)), "test")


def test_the_first_line_of_a_list_without_header_is_a_picture(tmp_path: Path) -> None:
    folder = fixtures.bach(tmp_path)
    images = MedicalImages(BACH(str(folder)), "all")
    assert len(images) == 4, "a reader that takes the first line for a header finds three"
    assert [images.key(index) for index in range(4)] == ["Normal/n001.tif", "Benign/b001.tif", "InSitu/is001.tif", "Invasive/iv001.tif"]
    assert [images.metadata(index)["label"] for index in range(4)] == [3, 0, 1, 2]
    assert all(isinstance(images[index].image, bytes) for index in range(4))
    (folder / "Photos/microscopy_ground_truth.csv").write_text("n001.tif,Norml\n")
    with pytest.raises(DataError, match="'tissue' is 'Norml'; did you mean Normal"):
        MedicalImages(BACH(str(folder)), "all")
