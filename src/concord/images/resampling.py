"""Crops of training: a box of a picture, resized by an antialiased filter, from as few decoded pixels as that takes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from concord.images.decoding import Decoded

Interpolation = Literal["bilinear", "bicubic", "lanczos"]

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels of the upright original."""

MARGINS = {8: 1.35, 4: 1.3, 2: 1.25}
"""By shrink, how many times more pixels than asked for must be left of a box along each side. On sharp photographs the worst
crops are then 36 dB from those of the whole picture, and half of them 40 dB or more; with 1.2 the worst have 32 to 35 dB."""


Size = int | tuple[int, int]
"""Side of a square, or width and height, in pixels."""


def most_shrink(box: Box, size: Size) -> int:
    """By how much a picture may be shrunk before the box is resized to `size`: 1, 2, 4 or 8."""
    left, top, right, bottom = box
    # Of a side that becomes one pixel nothing might be left on the grid of the shrunk picture.
    width, height = (max(2, side) for side in _sides(size))

    def enough(margin: float, shrink: int) -> bool:
        return right - left >= margin * width * shrink and bottom - top >= margin * height * shrink

    return next((shrink for shrink, margin in MARGINS.items() if enough(margin, shrink)), 1)


def fitting(width: int, height: int, size: int) -> tuple[int, int]:
    """Width and height of a picture of this shape whose longer side is `size`."""
    return max(1, round(size * width / max(width, height))), max(1, round(size * height / max(width, height)))


def on_grid(box: Box, grid: int, width: int, height: int) -> Box:
    """The box with its sides on the nearest multiples of `grid` inside the picture, so that it can be cut from a shrunk one."""
    left, right = (min(round(side / grid), width // grid) * grid for side in box[::2])
    top, bottom = (min(round(side / grid), height // grid) * grid for side in box[1::2])
    return left, top, right, bottom


def resample(decoded: Decoded, box: Box, size: Size, interpolation: Interpolation) -> Tensor:
    """The box as a picture of `size`, uint8 [3, H, W]. Its sides must be multiples of the picture's shrink.

    Torch has the same filters as Pillow, here two to ten times as fast, but for Lanczos.
    """
    left, top, right, bottom = (side // decoded.shrink for side in box)
    width, height = _sides(size)
    if interpolation == "lanczos":
        resized = decoded.picture.crop((left, top, right, bottom)).resize((width, height), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.array(resized)).permute(2, 0, 1)
    else:
        part = torch.from_numpy(decoded.pixels[top:bottom, left:right].copy()).permute(2, 0, 1)
        pixels = F.interpolate(part[None], (height, width), mode=interpolation, antialias=True)[0, :3]
    return pixels.contiguous()


def _sides(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
