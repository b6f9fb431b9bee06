"""Fundus photographs without the black around the field of view."""

from __future__ import annotations

import numpy as np

from concord.data.medical.images.regions import coarse_step, cut, largest_region
from concord.errors import MissingExtraError

SEARCHED = 512
"""The field of view is looked for in a picture with about so many pixels along its longer side."""


class FundusCrop:
    """Cut out the field of view of a fundus photograph and pad it with black to a square, in whose middle it stands.

    As FLAIR does it (Silva-Rodriguez et al. 2025): Li's threshold of the red channel, in which the field of view is bright
    everywhere, the largest connected region, the box around it. FLAIR pads at the right and at the bottom only; here the disc and
    the macula stay where they are in relation to the middle.

    Args:
        least: a field of view below this share of the picture's area is none: such a picture is padded whole, in [0, 1].
    """

    def __init__(self, least: float = 0.1) -> None:
        if not 0 <= least <= 1:
            raise ValueError(f"least must lie in [0, 1], got {least}")
        self.least = least

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [H, W] or [H, W, 3] to [S, S] or [S, S, 3].

        Raises:
            MissingExtraError: without scikit-image.
        """
        return _squared(self._field(picture))

    def _field(self, picture: np.ndarray) -> np.ndarray:
        red = picture if picture.ndim == 2 else picture[..., 0]
        step = coarse_step(picture, SEARCHED)
        coarse = red[::step, ::step]
        box = largest_region(coarse > _li(coarse))
        if box is None or (box[2] - box[0]) * (box[3] - box[1]) < self.least * coarse.size:
            return picture
        left, top, right, bottom = box
        # The edge lies somewhere between the last pixel looked at outside and the first inside.
        return cut(picture, (max(0, (left - 1) * step + 1), max(0, (top - 1) * step + 1), right * step, bottom * step))


def _li(grey: np.ndarray) -> float:
    """The threshold of least cross entropy (Li & Lee 1993)."""
    try:
        from skimage.filters import threshold_li
    except ModuleNotFoundError:
        raise MissingExtraError("scikit-image", "medical") from None
    return float(threshold_li(grey))  # type: ignore[no-untyped-call]


def _squared(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, *picture.shape[2:]), dtype=picture.dtype)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = picture
    return square
