"""One draw of a recipe: what was drawn, and how it is done to a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from torch import Tensor

from concord.data.views.colours import Change
from concord.images import Box, Decoded, Preprocess, resample, to_tensor


@dataclass(frozen=True)
class Draw:
    """What is done to a picture, in this order.

    Attributes:
        size: side of the result in pixels.
        angle: of a turn, in degrees against the clock.
        box: the part of the picture that is resized; None for the view that evaluation sees.
        shrink: by how much the picture may be smaller than its original when it is decoded.
        flip: whether left and right change places.
        changes: of the colours.
        grey: whether the colours are dropped.
        blur: standard deviation of a Gaussian blur, in pixels of the result; 0 for none.
    """

    size: int
    angle: float
    box: Box | None
    shrink: int
    flip: bool
    changes: tuple[Change, ...]
    grey: bool
    blur: float

    def __call__(self, decoded: Decoded, preprocess: Preprocess) -> Tensor:
        """uint8 [3, size, size]."""
        if self.angle != 0:
            picture = decoded.picture.rotate(self.angle, Image.Resampling.BILINEAR, fillcolor=preprocess.background)
            decoded = Decoded(picture)
        if self.box is None:
            pixels = to_tensor(preprocess.fit(decoded.picture))
        else:
            pixels = resample(decoded, self.box, self.size, preprocess.interpolation)
        if self.flip:
            pixels = pixels.flip(-1)
        return self._colours(pixels) if self.changes or self.grey or self.blur > 0 else pixels

    def _colours(self, pixels: Tensor) -> Tensor:
        picture = Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
        for change, amount in self.changes:
            picture = change(picture, amount)
        if self.grey:
            picture = picture.convert("L").convert("RGB")
        if self.blur > 0:
            picture = picture.filter(ImageFilter.GaussianBlur(self.blur))
        return to_tensor(picture)
