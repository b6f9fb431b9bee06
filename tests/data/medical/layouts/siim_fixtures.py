"""SIIM-ACR: DICOM files in nested folders, and a table of masks whose second column's name begins with a space."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.data.benchmarks.classification.drawn import write_text
from tests.data.medical.layouts.grey import write_dicom

SIDE = 1024
COUNT = 24
MASKED = tuple(range(1, COUNT, 3))
"""Which of the pictures show a pneumothorax; the first of them shows two."""

ASKED = MASKED[:3]
"""Those whose masks are asked for, and which are as large as these."""

DARK, BRIGHT = 40, 200


def image_of(number: int) -> str:
    return f"1.2.276.0.99999.{number}.1"


def rectangle(top: int, left: int, height: int, width: int) -> NDArray[np.bool_]:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


def masks_of(number: int) -> list[NDArray[np.bool_]]:
    """Upright stripes from multiples of 32 pixels on, which patches of 16 still keep apart when the picture is half as large, and
    none of which ends where a window of 224 pixels does."""
    if number not in MASKED:
        return []
    found = [rectangle(0, 256 + 32 * number, SIDE, 32)]
    return [*found, rectangle(0, 704, SIDE, 128)] if number == MASKED[0] else found


def encoded(mask: NDArray[np.bool_]) -> str:
    """Gaps since the end of the run before and lengths of runs, pixel by pixel down the columns."""
    edges = np.flatnonzero(np.diff(mask.T.ravel().astype(np.int8), prepend=0, append=0))
    return " ".join(map(str, np.diff(edges, prepend=0).tolist()))


def pixels_of(number: int) -> np.ndarray:
    """Bright where there is a pneumothorax; a corner of its own tells it from the others."""
    shown = np.full((SIDE, SIDE), DARK, dtype=np.uint8)
    for mask in masks_of(number):
        shown[mask] = BRIGHT
    shown[-1, : number + 1] += 1
    return shown


def siim(root: Path, count: int = COUNT, name: str = " EncodedPixels", nothing: str = " -1") -> None:
    """Pictures, of which those that are asked for are as large as their masks."""
    folder = root / "siim"
    rows = [f"ImageId,{name}"]
    for number in range(count):
        rows += [f"{image_of(number)}, {encoded(mask)}" for mask in masks_of(number)] or [f"{image_of(number)},{nothing}"]
        place = folder / f"dicom-images-train/1.2.276.0.99999.{number}/1.2.276.0.99999.{number}.0/{image_of(number)}.dcm"
        write_dicom(place, pixels_of(number) if number in ASKED else None)
    write_text(folder / "train-rle.csv", rows)


def siim_masks(root: Path) -> None:
    """The pictures of a test list, whose masks are asked for."""
    siim(root)
    write_text(root / "siim/test.txt", [image_of(number) for number in ASKED])


FIXTURES: dict[str, Callable[[Path], None]] = {"siim": siim, "siim_masks": siim_masks}
