"""One draw of a recipe: what was drawn, and how it is done to a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from concord.data.views.colours import Change
from concord.data.views.stain import Stains
from concord.images import Box, Decoded, Preprocess, resample, to_tensor


@dataclass(frozen=True)
class Draw:
    """What is done to a picture, in this order.

    Attributes:
        size: side of the result in pixels.
        angle: of a turn, in degrees against the clock.
        box: the part of the picture that is resized; None for the view that evaluation sees.
        sides: width and height that the box is resized to; what is left of the square is background.
        shrink: by how much the picture may be smaller than its original when it is decoded.
        flip: whether left and right change places.
        changes: of the colours.
        grey: whether the colours are dropped.
        blur: standard deviation of a Gaussian blur, in pixels of the result; 0 for none.
        vertical_flip: whether top and bottom change places.
        turns: quarter turns against the clock.
        stains: change of the stains; None for none.
    """

    size: int
    angle: float
    box: Box | None
    sides: tuple[int, int]
    shrink: int
    flip: bool
    changes: tuple[Change, ...]
    grey: bool
    blur: float
    vertical_flip: bool
    turns: int
    stains: Stains | None

    def __call__(self, decoded: Decoded, preprocess: Preprocess) -> Tensor:
        """uint8 [3, size, size]."""
        if self.angle != 0:
            picture = decoded.picture.rotate(self.angle, Image.Resampling.BILINEAR, fillcolor=preprocess.background)
            decoded = Decoded(picture)
        if self.box is None:
            pixels = to_tensor(preprocess.fit(decoded.picture))
        else:
            pixels = resample(decoded, self.box, self.sides, preprocess.interpolation)
        pixels = self._turned(pixels)
        if self.stains is not None:
            pixels = self.stains(pixels)
        if self.changes or self.grey or self.blur > 0:
            pixels = self._colours(pixels)
        return pixels if pixels.shape[1:] == (self.size, self.size) else self._padded(pixels, preprocess.background)

    def _turned(self, pixels: Tensor) -> Tensor:
        if self.flip:
            pixels = pixels.flip(-1)
        if self.vertical_flip:
            pixels = pixels.flip(-2)
        return pixels.rot90(self.turns, (-2, -1)) if self.turns else pixels

    def _padded(self, pixels: Tensor, background: tuple[int, int, int]) -> Tensor:
        """In the middle of a square."""
        height, width = pixels.shape[1:]
        top, left = (self.size - height) // 2, (self.size - width) // 2
        square = torch.tensor(background, dtype=torch.uint8)[:, None, None].repeat(1, self.size, self.size)
        square[:, top : top + height, left : left + width] = pixels
        return square

    def _colours(self, pixels: Tensor) -> Tensor:
        picture = Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
        for change, amount in self.changes:
            picture = change(picture, amount)
        if self.grey:
            picture = picture.convert("L").convert("RGB")
        if self.blur > 0:
            picture = picture.filter(ImageFilter.GaussianBlur(self.blur))
        return to_tensor(picture)
