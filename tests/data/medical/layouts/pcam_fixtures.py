"""PatchCamelyon: HDF5 files of pictures and classes, packed or not, and a table of slides."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from concord.data.medical.layouts.pcam import PARTS, SIDE, file_name
from tests.data.benchmarks.classification.drawn import pixels, write_csv

COUNT = 4
MIDDLE = slice(32, 64)
TUMOUR, TISSUE = 40, 220


def patch(part: str, number: int) -> np.ndarray:
    """uint8 [96, 96, 3]: noise around a middle that is dark where there is a metastasis, as of every second picture."""
    image = pixels(f"pcam/{part}/{number}", SIDE)
    image[MIDDLE, MIDDLE] = TUMOUR if number % 2 else TISSUE
    return image


def slide_of(part: str, number: int) -> str:
    return f"camelyon16_{part}_{number // 2:03}"


def pcam(root: Path, packed: bool = False, meta: bool = True) -> Path:
    """Four pictures of two slides in each part."""
    folder = root / "pcam"
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        labels = np.arange(COUNT, dtype=np.uint8).reshape(-1, 1, 1, 1) % 2
        for kind, values in (("x", np.stack([patch(part, number) for number in range(COUNT)])), ("y", labels)):
            file = folder / file_name(part, f"{kind}.h5")
            with h5py.File(file, "w") as content:
                content.create_dataset(kind, data=values, chunks=(1, *values.shape[1:]), compression="gzip")
            if packed:
                file.with_suffix(".h5.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
                file.unlink()
        if meta:
            header = ["", "coord_y", "coord_x", "tumor_patch", "center_tumor_patch", "wsi"]
            rows = [[n, 10, 20, "True", str(n % 2 == 1), slide_of(part, n)] for n in range(COUNT)]
            write_csv(folder / file_name(part, "meta.csv"), header, rows)
    return folder


FIXTURES: dict[str, Callable[[Path], object]] = {"pcam_h5": pcam}
