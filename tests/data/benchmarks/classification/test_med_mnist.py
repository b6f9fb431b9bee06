"""MedMNIST's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from concord.data.benchmarks.classification import MedMNIST
from concord.errors import ConfigError, DataError
from concord.vocabularies import class_names
from tests.data.benchmarks.classification.drawn import FEW, pixels
from tests.data.benchmarks.classification.table_layouts import medmnist


@pytest.mark.parametrize("side", [28, 64])
def test_grey_and_coloured_pictures_with_single_labels(tmp_path: Path, side: int) -> None:
    stem = "" if side == 28 else f"_{side}"
    for flag, shape in (("octmnist", (side, side)), ("bloodmnist", (side, side, 3))):
        medmnist(tmp_path, flag, side)
        reader = MedMNIST(str(tmp_path / f"medmnist/{flag}{stem}.npz"))
        assert (len(reader), reader.class_names, reader.name) == (FEW, list(class_names(flag)), f"{flag}{stem}")
        assert np.asarray(reader[1].image).shape == shape
        expected = pixels(f"{flag}/1", side)
        assert (reader[1].image == (expected if len(shape) == 3 else expected[..., 0])).all()
        assert [reader[index].metadata["label"] for index in range(3)] == [0, 1, 2]
        assert reader.key(2) == f"{flag}{stem}.npz/2"


def test_chests_have_several_findings(tmp_path: Path) -> None:
    medmnist(tmp_path, "chestmnist")
    reader = MedMNIST(str(tmp_path / "medmnist/chestmnist.npz"))
    assert reader[1].metadata["labels"] == [int((14 + place) % 3 == 0) for place in range(14)]


def test_parts_and_names(tmp_path: Path) -> None:
    medmnist(tmp_path, "bloodmnist", split="val")
    file = tmp_path / "medmnist/bloodmnist.npz"
    assert len(MedMNIST(str(file), "val")) == FEW
    with pytest.raises(DataError, match="has no test_images"):
        MedMNIST(str(file))
    with pytest.raises(ValueError, match="split must be train, val or test"):
        MedMNIST(str(file), "valid")  # type: ignore[arg-type]
    other = file.rename(tmp_path / "cells.npz")
    with pytest.raises(ConfigError, match="class_names must be given: cells is no set of MedMNIST"):
        MedMNIST(str(other), "val")
    assert MedMNIST(str(other), "val", class_names="bloodmnist").class_names[0] == "basophil"


SINGLE = np.zeros((2, 1), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"test_images": np.zeros((2, 4, 4, 4, 4), np.uint8), "test_labels": SINGLE},
            r"images must be uint8 \[N, H, W\]",
        ),
        ({"test_images": np.zeros((2, 4, 4), np.float32), "test_labels": SINGLE}, r"images must be uint8 \[N, H, W\]"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.zeros((3, 1), np.uint8)}, "2 images and 3 labels"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.full((2, 8), 2)}, "labels of several classes must be 0 or 1"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.full((2, 1), 8)}, r"label 8 lies outside of \[0, 7\]"),
        ({"test_images": np.zeros((2, 4, 4), np.uint8), "test_labels": np.zeros((2, 1))}, "labels must be integers"),
        ({"test_images": np.array([None, None]), "test_labels": SINGLE}, "cannot be read: Object arrays"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "bloodmnist.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        MedMNIST(str(tmp_path / "bloodmnist.npz"))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"bloodmnist\.npz: file not found"):
        MedMNIST(str(tmp_path / "bloodmnist.npz"))
    (tmp_path / "bloodmnist.npz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match="cannot be read: File is not a zip file; download it again"):
        MedMNIST(str(tmp_path / "bloodmnist.npz"))
