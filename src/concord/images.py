"""From whatever a source gives to an RGB picture of known size: decoding with limits, and the view that evaluation sees."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from concord.errors import DataError
from concord.types import RawImage

MAX_PIXELS = 64 * 1024 * 1024
"""Pictures above this are refused before they are decoded: a file of kilobytes can ask for gigabytes. Above 179 million
pixels Pillow refuses by itself, whatever the limit here."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""What may be decoded. Formats that start other programs (EPS) are not among them."""

WHITE = (255, 255, 255)

Resize = Literal["crop", "squash", "pad"]
Interpolation = Literal["bilinear", "bicubic", "lanczos"]

LONGEST = 8
"""How many times longer than wide the part of a picture is that `crop` resizes; the rest is off the picture anyway."""


def decode(image: RawImage, max_pixels: int = MAX_PIXELS, background: tuple[int, int, int] = WHITE) -> Image.Image:
    """A picture in RGB, upright.

    Transparent parts show the background; 16-bit grey is scaled to 8 bits, floating-point grey stretched over its range; of
    an animation the first frame is taken; EXIF orientation is applied.

    Args:
        image: encoded bytes, a file, a PIL picture, or an array [H, W] or [H, W, C] with C 1, 3 or 4, uint8 (or uint16 for grey).
        max_pixels: the most pixels that a picture may have.
        background: red, green and blue behind transparent parts, each in 0..255.

    Raises:
        DataError: with the cause, for a picture that is missing, broken, empty or too large.
    """
    try:
        picture = _open(image)
        _check_size(picture, max_pixels)
        picture.load()
        return _to_rgb(_upright(picture), background)
    except DataError:
        raise
    except UnidentifiedImageError:
        raise DataError(f"cannot decode {_name(image)}: not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file") from None
    except Exception as error:  # decoders meet broken bytes with errors of every class
        cause = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"cannot decode {_name(image)}: {cause}") from error


def _open(image: RawImage) -> Image.Image:
    """The picture, its pixels not yet decoded."""
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if isinstance(image, Path):
        image = image.read_bytes()
    if not isinstance(image, bytes):
        raise DataError(f"an image must be bytes, a Path, a PIL picture or an array, got {type(image).__name__}")
    return Image.open(io.BytesIO(image), formats=FORMATS)


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    grey = array.ndim == 2 and array.dtype in (np.uint8, np.uint16)
    colour = array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8
    if not (grey or colour):
        raise DataError(f"an image array must be uint8 [H, W, C] with C 1, 3 or 4, got {array.dtype} {list(array.shape)}")
    if array.size == 0:
        raise DataError(f"an image must have pixels, got an array of shape {list(array.shape)}")
    return Image.fromarray(np.ascontiguousarray(array))


def _check_size(picture: Image.Image, max_pixels: int) -> None:
    width, height = picture.size
    if width * height == 0:
        raise DataError(f"an image must have pixels, got {width} x {height}")
    if width * height > max_pixels:
        raise DataError(f"image of {width} x {height} pixels is larger than the limit of {max_pixels}; raise max_pixels or shrink it")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # a broken EXIF block says nothing of the orientation; the pixels are still good
        return picture


def _to_rgb(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode[0] in "IF":
        return _deep_grey(picture).convert("RGB")
    if picture.has_transparency_data:
        front = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", front.size, (*background, 255)), front).convert("RGB")
    return picture.convert("RGB")


def _deep_grey(picture: Image.Image) -> Image.Image:
    """More than 8 bits of grey as 8. PIL's own conversion clips at 255 instead."""
    values = np.asarray(picture).astype(np.float64)
    if picture.mode[0] == "I":
        scaled = values.clip(0, 65535) / 257
    else:
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        span = np.ptp(values)
        scaled = (values - values.min()) * (255 / span) if span > 0 else np.zeros_like(values)
    return Image.fromarray(scaled.round().astype(np.uint8))


def _name(image: RawImage) -> str:
    if isinstance(image, Path):
        return f"image {image}"
    return f"image of {len(image)} bytes" if isinstance(image, bytes) else "image"


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
    """

    image_size: int = 224
    resize: Resize = "crop"
    interpolation: Interpolation = "bicubic"
    background: tuple[int, int, int] = WHITE
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        object.__setattr__(self, "background", tuple(self.background))
        if self.image_size < 1:
            raise ValueError(f"image_size must be at least 1, got {self.image_size}")
        if self.max_pixels < 1:
            raise ValueError(f"max_pixels must be at least 1, got {self.max_pixels}")
        if len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background):
            raise ValueError(f"background must be three numbers in 0..255, got {list(self.background)}")
        for name, value, options in (("resize", self.resize, Resize), ("interpolation", self.interpolation, Interpolation)):
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
        picture = _centre(picture, min(picture.width, LONGEST * shorter), min(picture.height, LONGEST * shorter))
        width, height = (int(size * side / shorter) for side in picture.size)
        return _centre(picture.resize((width, height), self._filter), size, size)

    def _pad(self, picture: Image.Image) -> Image.Image:
        size = self.image_size
        width, height = (max(1, round(size * side / max(picture.size))) for side in picture.size)
        canvas = Image.new("RGB", (size, size), self.background)
        canvas.paste(picture.resize((width, height), self._filter), ((size - width) // 2, (size - height) // 2))
        return canvas


def to_tensor(picture: Image.Image) -> Tensor:
    """An RGB picture as uint8 [3, H, W]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()


def _centre(picture: Image.Image, width: int, height: int) -> Image.Image:
    left, top = round((picture.width - width) / 2), round((picture.height - height) / 2)
    return picture.crop((left, top, left + width, top + height))
