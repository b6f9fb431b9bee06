"""Changes of a picture's colours, each by one amount."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance

Change = tuple[Callable[[Image.Image, float], Image.Image], float]
"""What is changed, and by how much."""


def brighten(picture: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(factor)


def contrast(picture: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(factor)


def saturate(picture: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Color(picture).enhance(factor)


def shift_hue(picture: Image.Image, share: float) -> Image.Image:
    """Turn the colours by a share of the colour circle."""
    hue, saturation, value = picture.convert("HSV").split()
    shifted = np.asarray(hue) + np.uint8(round(share * 256) % 256)  # wraps round at 256, as the colour circle does
    return Image.merge("HSV", (Image.fromarray(shifted), saturation, value)).convert("RGB")
