"""Colour pictures of DICOM files: palettes, and three samples of any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from concord.data.medical.images.lookup import Cells
from concord.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

RGB = ("RGB", "YBR_ICT", "YBR_RCT")
"""What decoders give as red, green and blue; YBR_FULL and YBR_FULL_422 have become RGB before."""


def from_palette(cells: np.ndarray, dataset: Dataset, layout: Cells) -> np.ndarray:
    """uint8 [H, W, 3] of cells [H, W], by the palette of the file, also a segmented one."""
    from pydicom.pixels.processing import apply_color_lut

    if cells.dtype.itemsize > 2:
        raise DataError("the places in a palette of a DICOM file must have at most 16 bits")
    values = layout.values(np.arange(1 << 8 * cells.dtype.itemsize))
    palette = apply_color_lut(values, dataset)
    if palette.dtype.itemsize == 2:
        palette = (palette / 257).round().astype(np.uint8)
    return palette[:, :3][cells]


def from_samples(samples: np.ndarray, photometric: str, layout: Cells) -> np.ndarray:
    """uint8 [H, W, 3] of red, green and blue of any depth.

    Raises:
        DataError: for a colour space that DICOM has retired.
    """
    if photometric not in RGB:
        raise DataError("the colour space of a DICOM file is none of MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB and YBR")
    if samples.dtype.itemsize == 1 and layout.stored == 8:
        return samples
    values = layout.values(samples)
    return (values * (255 / ((1 << layout.stored) - 1))).round().clip(0, 255).astype(np.uint8)
