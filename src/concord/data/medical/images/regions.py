"""The part of a picture that shows something."""

from __future__ import annotations

import numpy as np

from concord.errors import MissingExtraError
from concord.images import Box


def largest_region(shown: np.ndarray) -> Box | None:
    """The smallest box around the largest connected region, diagonal neighbours included; None where nothing is shown.

    Args:
        shown: bool [H, W].

    Raises:
        MissingExtraError: without scikit-image.
    """
    try:
        from skimage.measure import label
    except ModuleNotFoundError:
        raise MissingExtraError("scikit-image", "medical") from None
    regions = label(shown, connectivity=2)  # type: ignore[no-untyped-call]
    if not regions.any():
        return None
    return around(regions == np.bincount(regions.ravel())[1:].argmax() + 1)


def around(shown: np.ndarray) -> Box:
    """The smallest box around everything that is shown, which must be something: bool [H, W]."""
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def coarse_step(picture: np.ndarray, sides: int) -> int:
    """The step by which a picture is taken smaller, so that its longer side has at most about so many pixels."""
    return max(1, round(max(picture.shape[:2]) / sides))


def cut(picture: np.ndarray, box: Box) -> np.ndarray:
    """The part of a picture [H, W] or [H, W, C] within a box, which may reach beyond its right and lower edges."""
    left, top, right, bottom = box
    return picture[top:bottom, left:right]
