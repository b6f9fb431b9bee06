"""Ultrasound pictures without the banner, the scales and the empty border of the machine's screen."""

from __future__ import annotations

import numpy as np

from concord.data.medical.images.regions import around, coarse_step, cut, largest_region

SEARCHED = 128
"""The scan is looked for in blocks of pixels, about so many along the longer side: speckle leaves no gap of a block, while letters
and scales stand at least a block apart from the scan."""


class UltrasoundCrop:
    """Cut out the scan of an ultrasound picture: the box around the largest connected region that is not empty.

    It is meant for PNG and JPEG; DICOM files say themselves where the scan is. Writing outside of that box goes, with what it may
    tell of machine, hospital and patient; what is written over the scan stays, such as calipers.

    Args:
        empty: grey up to which a pixel shows nothing, in [0, 255].
        least: a scan below this share of the picture's area is none: such a picture is left whole, in [0, 1].
    """

    def __init__(self, empty: int = 10, least: float = 0.2) -> None:
        for name, value, most in (("empty", empty, 255), ("least", least, 1)):
            if not 0 <= value <= most:
                raise ValueError(f"{name} must lie in [0, {most}], got {value}")
        self.empty = empty
        self.least = least

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [H, W] or [H, W, 3] to the same with fewer pixels.

        Raises:
            MissingExtraError: without scikit-image.
        """
        shown = (picture if picture.ndim == 2 else picture.max(-1)) > self.empty
        step = coarse_step(picture, SEARCHED)
        box = largest_region(_blocks(shown, step))
        if box is None:
            return picture
        left, top, right, bottom = (side * step for side in box)
        scan = cut(picture, (left, top, right, bottom))
        within = around(cut(shown, (left, top, right, bottom)))
        area = (within[2] - within[0]) * (within[3] - within[1])
        return cut(scan, within) if area >= self.least * shown.size else picture


def _blocks(shown: np.ndarray, step: int) -> np.ndarray:
    """Whether anything is shown in each block of `step` x `step` pixels, those at the right and the lower edge cut: bool."""
    height, width = (-(-side // step) * step for side in shown.shape)
    whole = np.zeros((height, width), dtype=bool)
    whole[: shown.shape[0], : shown.shape[1]] = shown
    return np.asarray(whole.reshape(height // step, step, width // step, step).any((1, 3)))
