"""From the bytes of a NIfTI file to a picture of one slice."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from PIL import Image

from concord.data.medical.images.geometry import TOLERANCE
from concord.data.medical.images.volume import Axis, Slice, Volume, opened
from concord.data.medical.images.windows import Ends, stretched, windows
from concord.errors import DataError
from concord.images import MAX_PIXELS

SAMPLED = 1 << 20
"""From so many voxels of a volume percentiles are taken."""

SCANNER = (-1024.0, 3071.0)
"""What 12 bits of a CT scanner hold, in HU. Files pad what lies outside of its view with -2000 to -3024."""


class Nifti:
    """One slice of a volume, by the radiological convention (see `Volume`), with square pixels.

    The file's own slope and intercept are applied, once: those that a table repeats (CT-RATE's) must not be applied again.

    Args:
        window: of CT in Hounsfield units: a name such as "lung" or "CENTRE/WIDTH"; of two or three, each becomes a colour channel.
            Values outside of the scanner's range (padding) are cut off before anything is interpolated. None: between
            percentiles of the whole volume, as MRI needs it, which has no units.
        axis: across which the volume is cut.
        position: of the slice where an example names none, as a share of the way from the patient's left, back or feet, in [0, 1].
        percentiles: black and white where there is no window, in [0, 100].
        volume: number of the volume in a file that holds a series; None refuses series.
        unoriented: what to do with files that do not say which side is left (neither sform nor qform is set): "refuse" them, or
            "assume" the order that NIfTI inherits, x to the patient's left.
        max_bytes: limit of a volume's values.
        max_pixels: limit of a slice with square pixels.

    Raises:
        ConfigError: for a window that is not known.
    """

    def __init__(
        self,
        window: str | list[str] | None = None,
        axis: Axis = "axial",
        position: float = 0.5,
        percentiles: tuple[float, float] = (0.5, 99.5),
        volume: int | None = None,
        unoriented: Literal["refuse", "assume"] = "refuse",
        max_bytes: int = 1 << 30,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        for name, value, valid in (("axis", axis, get_args(Axis)), ("unoriented", unoriented, ("refuse", "assume"))):
            if value not in valid:
                raise ValueError(f"{name} must be one of {', '.join(valid)}, got {value!r}")
        _check_position(position)
        if not 0 <= percentiles[0] < percentiles[1] <= 100:
            raise ValueError(f"percentiles must be two numbers in rising order in [0, 100], got {list(percentiles)}")
        for name, number, least in (("volume", volume, 0), ("max_bytes", max_bytes, 1), ("max_pixels", max_pixels, 1)):
            if number is not None and number < least:
                raise ValueError(f"{name} must be at least {least}, got {number}")
        self.windows = windows(window)
        self.axis: Axis = axis
        self.position = position
        self.percentiles = (percentiles[0], percentiles[1])
        self.volume = volume
        self.unoriented = unoriented
        self.max_bytes = max_bytes
        self.max_pixels = max_pixels

    def __call__(self, content: bytes, position: float | None = None) -> np.ndarray:
        """uint8 [H, W], or [H, W, 3] for several windows.

        Args:
            content: of a .nii or .nii.gz file. The last one is kept open for its next slices.
            position: of the slice, as a share of the way in [0, 1].

        Raises:
            DataError: for a file that is broken, too large, holds a series, or does not say which side is left; its words tell
                nothing of the file's.
            MissingExtraError: without nibabel.
            ValueError: for a position outside of [0, 1].
        """
        image = opened(content, self.max_bytes)
        if self.unoriented == "refuse" and not (image.header["sform_code"] or image.header["qform_code"]):
            raise DataError("a NIfTI file does not say which side is left; unoriented=assume reads it as NIfTI's predecessor would")
        volume = Volume(image, self.volume)
        share = position if position is not None else self.position
        _check_position(share)
        cut = volume.slice(self.axis, round(share * (volume.length(self.axis) - 1)))
        if self.windows:
            return stretched(_square(cut, SCANNER, self.max_pixels), self.windows)
        shown = _between(content, self.max_bytes, self.volume, self.percentiles)
        return stretched(_square(cut, shown, self.max_pixels), [shown])


def _check_position(position: float) -> None:
    if not 0 <= position <= 1:
        raise ValueError(f"position must lie in [0, 1], got {position}")


@lru_cache(maxsize=1)
def _between(content: bytes, max_bytes: int, number: int | None, percentiles: tuple[float, float]) -> Ends:
    """Percentiles of a volume."""
    low, high = np.percentile(Volume(opened(content, max_bytes), number).sample(SAMPLED), percentiles).tolist()
    return low, high if high > low else low + 1


def _square(cut: Slice, limits: Ends, max_pixels: int) -> np.ndarray:
    """Values within the limits, float32 [H, W]; of pixels that are no squares, the longer side is divided by interpolation.

    Raises:
        DataError: where it then has more pixels than the limit.
    """
    values = cut.values.clip(*limits)
    finest = min(cut.spacing)
    rows, columns = (max(1, round(length * step / finest)) for length, step in zip(values.shape, cut.spacing, strict=True))
    if rows * columns > max_pixels:
        raise DataError(f"with square pixels a slice has {rows} x {columns} of them, above the limit of {max_pixels}; raise max_pixels")
    if max(cut.spacing) <= (1 + TOLERANCE) * finest:
        return values
    return np.asarray(Image.fromarray(values).resize((columns, rows), Image.Resampling.BILINEAR))
