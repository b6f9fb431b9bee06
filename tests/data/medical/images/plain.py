"""DICOM to grey values as it is commonly written with pydicom, pixel by pixel in float64."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi_lut


def plain_picture(content: bytes, index: int = 0) -> np.ndarray:
    """uint8 [H, W] of a file of one frame that has a window or a VOI table.

    Args:
        index: of the window or table.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(content))
        values = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds, index)
    low, high = _output_range(ds, index)
    picture = ((values.astype(np.float64) - low) / (high - low) * 255).round().astype(np.uint8)
    return 255 - picture if ds.PhotometricInterpretation == "MONOCHROME1" else picture


def _output_range(ds: pydicom.Dataset, index: int) -> tuple[float, float]:
    """What pydicom says that the values lie in; with a negative slope, the brighter end comes first."""
    if "VOILUTSequence" in ds:
        return 0, 2 ** ds.VOILUTSequence[index].LUTDescriptor[2] - 1
    if "ModalityLUTSequence" in ds:
        return 0, 2 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    low = -(2 ** (ds.BitsStored - 1)) if ds.PixelRepresentation else 0
    high = low + 2**ds.BitsStored - 1
    slope, intercept = ds.get("RescaleSlope", 1), ds.get("RescaleIntercept", 0)
    return low * slope + intercept, high * slope + intercept
