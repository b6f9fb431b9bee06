"""MedMNIST's files: sizes, kinds of labels, volumes, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from concord.data.medical import MedicalImages, PatientSplit
from concord.data.medical.images import MedicalDecoder
from concord.data.medical.layouts import GroupedByLook, MedMNIST
from concord.data.medical.layouts.med_mnist import MODALITIES
from concord.data.medical.modalities import MODALITIES as KNOWN
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError
from concord.vocabularies import class_names
from tests.data.benchmarks.classification.drawn import FEW
from tests.data.medical.layouts.med_mnist_fixtures import labels_of, medmnist, picture_of


def part_of(file: Path, split: Any = "test", storage: Storage | None = None, **options: Any) -> MedicalImages:
    return MedicalImages(MedMNIST(str(file), **options), split, storage=storage)


@pytest.mark.parametrize("flag", sorted(MODALITIES))
def test_every_set_has_its_classes_its_pictures_and_its_parts(tmp_path: Path, flag: str) -> None:
    file = medmnist(tmp_path, flag)
    for split, part in (("train", "train"), ("validation", "val"), ("test", "test")):
        images = part_of(file, split)
        assert (len(images), images.class_names, images.name) == (FEW, list(class_names(flag)), flag)
        expected = picture_of(flag, part, 1)
        assert (np.asarray(images[1].image) == (expected[14] if flag.endswith("3d") else expected)).all()
        assert images.key(1) == f"{flag}.npz/{part}/1" + ("@0.5" if flag.endswith("3d") else "")
        assert images.metadata(1)["modality"] == MODALITIES[flag]
    assert MODALITIES[flag] in KNOWN


@pytest.mark.parametrize("side", [28, 64, 128, 224])
def test_every_size_has_the_same_examples(tmp_path: Path, side: int) -> None:
    images = part_of(medmnist(tmp_path, "bloodmnist", side, ["test"]))
    assert np.asarray(images[0].image).shape == (side, side, 3)
    assert [images.metadata(index)["label"] for index in range(FEW)] == labels_of("bloodmnist")[:, 0].tolist()
    assert images.name == ("bloodmnist" if side == 28 else f"bloodmnist_{side}")


def test_labels_of_one_column_are_classes_and_those_of_fourteen_findings(tmp_path: Path) -> None:
    single = part_of(medmnist(tmp_path, "octmnist")).metadata(1)
    assert (single["label"], single["class_name"]) == (1, class_names("octmnist")[1])
    assert "labels" not in single
    several = part_of(medmnist(tmp_path, "chestmnist")).metadata(1)
    assert several["labels"] == labels_of("chestmnist")[1].tolist()
    assert "label" not in several


def test_the_first_class_of_breasts_is_the_malignant_one(tmp_path: Path) -> None:
    breast = part_of(medmnist(tmp_path, "breastmnist"))
    assert "malignant" in breast.metadata(0)["class_name"]
    assert "normal" in breast.metadata(1)["class_name"]


def test_organs_of_volumes_stand_in_another_order_and_have_sides() -> None:
    flat, deep = class_names("organamnist"), class_names("organmnist3d")
    assert sorted(flat) == sorted(deep)
    assert deep[:3] == ("liver", "right kidney", "left kidney")
    assert flat[:3] == ("bladder", "left femur", "right femur")
    assert deep != flat


def test_slices_of_volumes_are_evenly_spaced_and_of_one_patient(tmp_path: Path) -> None:
    file = medmnist(tmp_path, "organmnist3d", 28, ["test"])
    images = part_of(file, slices=4)
    assert len(images) == 4 * FEW
    volume = picture_of("organmnist3d", "test", 1)
    for place, number in enumerate((3, 10, 17, 24)):  # the middle of each quarter of 28
        assert (np.asarray(images[4 + place].image) == volume[number]).all()
    assert len({images.metadata(index)["patient_id"] for index in range(4, 8)}) == 1
    assert len(images.patients()) == FEW
    with pytest.raises(ValueError, match="slices must be at least 1, and 1 for pictures, got 2"):
        MedMNIST(str(file.with_name("octmnist.npz")), slices=2)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_cache_keeps_unpacked_copies_that_are_mapped(tmp_path: Path, compressed: bool) -> None:
    file = medmnist(tmp_path, "bloodmnist", 64, compressed=compressed)
    storage = Storage(cache=str(tmp_path / "cache"))
    images = part_of(file, storage=storage)
    [copy] = (tmp_path / "cache/unpacked").iterdir()
    assert (np.asarray(images[3].image) == picture_of("bloodmnist", "test", 3, 64)).all()
    held = images.layout._images["test"]  # type: ignore[attr-defined]
    assert isinstance(held, np.memmap)
    written = copy.stat().st_mtime_ns
    assert (np.asarray(part_of(file, storage=storage)[2].image) == picture_of("bloodmnist", "test", 2, 64)).all()
    assert copy.stat().st_mtime_ns == written


def test_arrays_do_not_travel_to_other_processes(tmp_path: Path) -> None:
    images = part_of(medmnist(tmp_path, "bloodmnist", 128))
    sent = pickle.dumps(images)
    assert len(sent) < FEW * 128 * 128 * 3 / 10
    assert (np.asarray(pickle.loads(sent)[1].image) == np.asarray(images[1].image)).all()


def test_nobody_makes_other_parts(tmp_path: Path) -> None:
    layout = MedMNIST(str(medmnist(tmp_path, "dermamnist")))
    with pytest.raises(DataError, match="nothing says which of its pictures are of one patient"):
        MedicalImages(layout, "train", PatientSplit())
    with pytest.raises(ConfigError, match="no files"):
        GroupedByLook(layout)


def test_a_decoder_that_nothing_would_call_is_refused(tmp_path: Path) -> None:
    layout = MedMNIST(str(medmnist(tmp_path, "breastmnist")))
    with pytest.raises(ValueError, match="decoder must be null: breastmnist keeps its pictures decoded, in one file"):
        MedicalImages(layout, "test", decoder=MedicalDecoder())


def test_names(tmp_path: Path) -> None:
    other = medmnist(tmp_path, "bloodmnist").rename(tmp_path / "cells.npz")
    with pytest.raises(ConfigError, match="class_names must be given: cells is no set of MedMNIST"):
        MedMNIST(str(other))
    assert part_of(other, class_names="bloodmnist").class_names[0] == "basophil"


SINGLE = np.zeros((2, 1), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"test_images": np.zeros((2, 4, 4, 4, 4), np.uint8), "test_labels": SINGLE}, r"images must be uint8 \[N, H, W\]"),
        ({"test_images": np.zeros((2, 4, 4), np.float32), "test_labels": SINGLE}, r"images must be uint8 \[N, H, W\]"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.zeros((3, 1), np.uint8)}, "2 images and 3 labels in test"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.full((2, 8), 2)}, "labels of several classes must be 0 or 1"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.full((2, 1), 8)}, r"label 8 lies outside of \[0, 7\]"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.zeros((2, 1))}, "labels must be integers"),
        ({"test_images": np.array([None, None]), "test_labels": SINGLE}, "images must be uint8"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.array([[None], [None]])}, "cannot be read: Object arrays"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8)}, "lacks an array: There is no item named 'test_labels.npy'"),
        ({"valid_images": np.zeros((2, 4, 4), np.uint8)}, "has no images; a file of MedMNIST holds"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "bloodmnist.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        part_of(tmp_path / "bloodmnist.npz")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"bloodmnist\.npz: file not found"):
        part_of(tmp_path / "bloodmnist.npz")
    (tmp_path / "bloodmnist.npz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match="cannot be read: File is not a zip file; download it again"):
        part_of(tmp_path / "bloodmnist.npz")
    with pytest.raises(DataError, match="none of its 6 pictures is in split train"):
        part_of(medmnist(tmp_path, "octmnist", parts=["test"]), "train")
