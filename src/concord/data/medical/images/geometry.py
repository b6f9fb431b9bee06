"""Where the picture is in a DICOM file's pixels, and how wide they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from concord.data.medical.images.allowed import numbers
from concord.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

TOLERANCE = 0.01
"""How much longer than wide pixels may be and pass as squares."""


def square_pixels(picture: np.ndarray, dataset: Dataset, max_pixels: int) -> np.ndarray:
    """A picture [H, W] or [H, W, 3], its shorter side of the pixels resized so that they are squares.

    Raises:
        DataError: where it then is larger than the limit.
    """
    ratio = _height_over_width(dataset)
    if abs(ratio - 1) <= TOLERANCE:
        return picture
    rows, columns = picture.shape[:2]
    rows, columns = (round(rows * ratio), columns) if ratio > 1 else (rows, round(columns / ratio))
    if rows * columns > max_pixels:
        raise DataError(f"with square pixels an image of a DICOM file has more than the limit of {max_pixels}; raise max_pixels")
    return np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BICUBIC))


def ultrasound_regions(picture: np.ndarray, dataset: Dataset) -> np.ndarray:
    """The smallest box around all regions of ultrasound data, without banners and scales; all where the file names none."""
    items = [tuple(int(item[tag].value) for tag in CORNERS) for item in dataset.get("SequenceOfUltrasoundRegions") or ()]
    if not items:
        return picture
    lefts, tops, rights, bottoms = zip(*items, strict=True)
    cut = picture[max(min(tops), 0) : max(bottoms) + 1, max(min(lefts), 0) : max(rights) + 1]
    if not cut.size:
        raise DataError("the ultrasound regions of a DICOM file lie outside of its picture")
    return cut


CORNERS = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")


def _height_over_width(dataset: Dataset) -> float:
    """Of one pixel."""
    for keyword in ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"):
        values = numbers(dataset, keyword)
        if len(values) == 2 and min(values) > 0:
            return values[0] / values[1]
    return 1.0
