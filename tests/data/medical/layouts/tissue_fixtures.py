"""Histology: colon, lung, prostate and breast."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
from PIL import Image

from concord.data.medical.layouts import bach as bach_layout
from concord.data.medical.layouts import nct_crc as nct_layout
from concord.data.phantoms import Phantoms
from tests.data.benchmarks.classification.drawn import write_picture
from tests.data.benchmarks.classification.folder_layouts import folders

ORIGINALS, COPIES = 6, 6
"""Of each class of LC25000's fixture."""


def nct_crc(root: Path) -> None:
    for part in ("NCT-CRC-HE-100K", "CRC-VAL-HE-7K"):
        for tissue in nct_layout.TISSUES:
            write_picture(root / "unimed" / part / tissue / f"{tissue}-TCGA-ZZZZ{part[0]}.tif")


def copy_of(original: Image.Image, rng: np.random.Generator) -> bytes:
    """As LC25000's are made: turned by up to 25 degrees, cut upright without empty corners, mirrored, written as JPEG."""
    side, angle = original.width, rng.uniform(-25, 25)
    inner = side / (math.cos(math.radians(abs(angle))) + math.sin(math.radians(abs(angle))))
    margin = (side - inner) / 2
    turned = original.rotate(angle, Image.Resampling.BICUBIC).crop((margin, margin, side - margin, side - margin)).resize((side, side))
    for mirror in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM):
        if rng.random() < 0.5:
            turned = turned.transpose(mirror)
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def drawn_copies(folder: Path, classes: Sequence[str], originals: int = ORIGINALS, copies: int = COPIES, side: int = 192) -> None:
    """CLASS/CLASS12.jpeg: of each class the copies of its originals, one original after another."""
    rng = np.random.default_rng(0)
    slides = Phantoms("train", 3 * len(classes) * originals, ["histology"], side, 5)
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(originals * copies):
            original = Image.fromarray(np.asarray(slides[3 * (place * originals + number // copies)].image))
            (folder / name / f"{name}{number:04}.jpeg").write_bytes(copy_of(original, rng))


def lung_copies(root: Path) -> None:
    drawn_copies(root / "unimed/LC25000_test", ["lung_aca", "lung_n", "lung_scc"])


def write_xlsx(file: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    book = openpyxl.Workbook()
    for row in (header, *rows):
        book.active.append(list(row))
    file.parent.mkdir(parents=True, exist_ok=True)
    book.save(file)


def sicap(root: Path, shared: bool = False) -> Path:
    """Four patches of two slides of one patient in the test part, one of each grade; as many of others to learn from."""
    folder = root / "SICAPv2"
    owners = []
    for part, file in (("8", "Train"), ("9", "Test")):
        rows = []
        for number in range(4):
            slide = f"99B{part}0000{number // 2}A"
            image = f"{slide}_Block_Region_1_0_{number}_xini_10_yini_20.jpg"
            write_picture(folder / "images" / image)
            rows.append([image, *(int(grade == number) for grade in range(4)), 0])
            owners.append([slide, 999 if shared else int(part)])
        write_xlsx(folder / f"partition/Test/{file}.xlsx", ["image_name", "NC", "G3", "G4", "G5", "G4C"], rows)
        write_xlsx(folder / f"partition/Validation/Val1/{file}.xlsx", ["image_name", "NC", "G3", "G4", "G5", "G4C"], rows)
    write_xlsx(folder / "wsi_labels.xlsx", ["slide_id", "patient_id", "Gleason_primary", "Gleason_secondary"], [[*o, 4, 3] for o in owners])
    return folder


def bach(root: Path) -> Path:
    """A picture of each class; the list of them has no header."""
    folder = root / "ICIAR2018_BACH_Challenge"
    names = {"n001.tif": "Normal", "b001.tif": "Benign", "is001.tif": "InSitu", "iv001.tif": "Invasive"}
    assert set(names.values()) == set(bach_layout.TISSUES)
    for name, tissue in names.items():
        write_picture(folder / "Photos" / tissue / name)
    (folder / "Photos/microscopy_ground_truth.csv").write_text("".join(f"{name},{tissue}\n" for name, tissue in names.items()))
    return folder


FIXTURES: dict[str, Callable[[Path], object]] = {
    "bach": bach,
    "lc25000_colon": partial(folders, place="unimed/LC25000_test", classes=["colon_aca", "colon_n"], suffix=".jpeg", each=2),
    "lc25000_lung": partial(folders, place="unimed/LC25000_test", classes=["lung_aca", "lung_n", "lung_scc"], suffix=".jpeg", each=2),
    "lc25000_probe": lung_copies,
    "nct_crc": nct_crc,
    "sicapv2": sicap,
}
