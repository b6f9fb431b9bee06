"""Small DICOM files that differ, for data sets whose pictures matter less than their lists."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np

from tests.data.medical.dicoms import dicom_bytes


def write_dicom(file: Path, pixels: np.ndarray | None = None) -> None:
    """A radiograph of its own for each file name, or the one that is given, uint8 [H, W]."""
    if pixels is None:
        pixels = np.random.default_rng(crc32(file.name.encode())).integers(0, 256, (12, 10), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(dicom_bytes(pixels))
