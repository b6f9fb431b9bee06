"""MedMNIST: FLAG.npz with the arrays of three parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from concord.data.medical.exams import Exam
from concord.data.medical.layouts.med_mnist import MODALITIES, VOLUMES
from concord.data.medical.text import LabelCaptions
from concord.vocabularies import class_names
from tests.data.benchmarks.classification.drawn import FEW, pixels
from tests.data.named_sets import Named

COLOURED = ("pathmnist", "dermamnist", "retinamnist", "bloodmnist")


def picture_of(flag: str, part: str, number: int, side: int = 28) -> np.ndarray:
    """uint8 [S, S], in colour [S, S, 3], of volumes [S, S, S], by its name alone."""
    if flag.endswith(VOLUMES):
        return np.stack([pixels(f"{flag}/{part}/{number}/{slice_}", side)[..., 0] for slice_ in range(side)])
    image = pixels(f"{flag}/{part}/{number}", side)
    return image if flag in COLOURED else image[..., 0]


def labels_of(flag: str) -> np.ndarray:
    """uint8 [N, L]; classes take turns, of findings every third is there."""
    classes = len(class_names(flag))
    if flag == "chestmnist":
        return (np.arange(FEW * classes).reshape(FEW, -1) % 3 == 0).astype(np.uint8)
    return (np.arange(FEW) % classes)[:, None].astype(np.uint8)


def medmnist(root: Path, flag: str, side: int = 28, parts: Sequence[str] = ("train", "val", "test"), compressed: bool = True) -> Path:
    arrays = {f"{part}_images": np.stack([picture_of(flag, part, number, side) for number in range(FEW)]) for part in parts}
    arrays |= {f"{part}_labels": labels_of(flag) for part in parts}
    file = root / f"medmnist/{flag}{'' if side == 28 else f'_{side}'}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    (np.savez_compressed if compressed else np.savez)(file, **arrays)  # type: ignore[arg-type]
    return file


def named(folder: Path) -> Named:
    """Four grades of retinas for training, each of one shade."""
    shades = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.full((1, 28, 28, 3), 20, dtype=np.uint8)
    folder.mkdir(parents=True)
    np.savez_compressed(folder / "retinamnist.npz", train_images=shades, train_labels=np.arange(4, dtype=np.uint8)[:, None])
    say = LabelCaptions("fundus")
    said = [say(Exam("", "", label=label), {}, class_names("retinamnist")) for label in range(4)]
    examples = {f"retinamnist.npz/train/{label}": [(text, "label") for text in said[label]] for label in range(4)}
    return Named(folder / "retinamnist.npz", examples, ["data.source.captions.label.dictionary=fundus"])


FIXTURES: dict[str, Callable[[Path], object]] = {flag: partial(medmnist, flag=flag) for flag in MODALITIES}

NAMED = {"medmnist": named}
