"""The view of a picture that evaluation sees."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from concord.images.decoding import MAX_PIXELS, WHITE, decode
from concord.images.resampling import Interpolation, fitting
from concord.types import RawImage

Resize = Literal["crop", "squash", "pad"]
Centre = Literal["round", "floor"]

LONGEST = 8
"""How many times longer than wide the part of a picture is that `crop` resizes; the rest is off the picture anyway."""


@dataclass(frozen=True)
class Preprocess:
    """How evaluation sees a picture: no randomness, the same at training time, after loading and in any program.

    Args:
        image_size: side of the square that comes out, in pixels.
        resize: "crop" resizes the shorter side and keeps the centre (CLIP), "squash" resizes both sides, "pad" resizes the
            longer side and fills the rest with the background.
        interpolation: how pixels are resampled; PIL's antialiased filters.
        background: red, green and blue behind transparent parts and around padded pictures.
        max_pixels: the most pixels that a picture may have before it is resized.
        centre: where "crop" puts the centre if an odd number of pixels is left over: "round" as torchvision, "floor" as Hugging Face.
    """

    image_size: int = 224
    resize: Resize = "crop"
    interpolation: Interpolation = "bicubic"
    background: tuple[int, int, int] = WHITE
    max_pixels: int = MAX_PIXELS
    centre: Centre = "round"

    def __post_init__(self) -> None:
        object.__setattr__(self, "background", tuple(self.background))
        if self.image_size < 1:
            raise ValueError(f"image_size must be at least 1, got {self.image_size}")
        if self.max_pixels < 1:
            raise ValueError(f"max_pixels must be at least 1, got {self.max_pixels}")
        if len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background):
            raise ValueError(f"background must be three numbers in 0..255, got {list(self.background)}")
        choices = (("resize", self.resize, Resize), ("interpolation", self.interpolation, Interpolation), ("centre", self.centre, Centre))
        for name, value, options in choices:
            if value not in get_args(options):
                raise ValueError(f"{name} must be one of {', '.join(get_args(options))}, got {value!r}")

    def __call__(self, image: RawImage) -> Tensor:
        """uint8 [3, image_size, image_size].

        Raises:
            DataError: for a picture that cannot be decoded.
        """
        return to_tensor(self.fit(decode(image, self.max_pixels, self.background)))

    def fit(self, picture: Image.Image) -> Image.Image:
        """An RGB picture as a square of `image_size`."""
        if self.resize == "squash":
            return picture.resize((self.image_size, self.image_size), self._filter)
        return self._crop(picture) if self.resize == "crop" else self._pad(picture)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "background": list(self.background)}

    @staticmethod
    def from_dict(state: Mapping[str, Any]) -> Preprocess:
        """What `to_dict` described.

        Raises:
            ValueError: for keys or values that do not belong.
        """
        unknown = set(state) - {f.name for f in fields(Preprocess)}
        if unknown:
            raise ValueError(f"unknown preprocessing keys: {', '.join(sorted(unknown))}")
        return Preprocess(**state)

    @property
    def _filter(self) -> Image.Resampling:
        return Image.Resampling[self.interpolation.upper()]

    def _crop(self, picture: Image.Image) -> Image.Image:
        """Shorter side to `image_size`, then the centre; rounding as torchvision's Resize and CenterCrop."""
        size = self.image_size
        shorter = min(picture.size)
        # A strip of 1 x 60,000 pixels would grow to gigabytes if its ends were resized as well.
        picture = _centre(picture, min(picture.width, LONGEST * shorter), min(picture.height, LONGEST * shorter), self.centre)
        width, height = (int(size * side / shorter) for side in picture.size)
        return _centre(picture.resize((width, height), self._filter), size, size, self.centre)

    def _pad(self, picture: Image.Image) -> Image.Image:
        size = self.image_size
        width, height = fitting(*picture.size, size)
        canvas = Image.new("RGB", (size, size), self.background)
        canvas.paste(picture.resize((width, height), self._filter), ((size - width) // 2, (size - height) // 2))
        return canvas


def to_tensor(picture: Image.Image) -> Tensor:
    """An RGB picture as uint8 [3, H, W]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def _centre(picture: Image.Image, width: int, height: int, centre: Centre) -> Image.Image:
    whole: Callable[[float], int] = round if centre == "round" else math.floor
    left, top = whole((picture.width - width) / 2), whole((picture.height - height) / 2)
    return picture.crop((left, top, left + width, top + height))
