"""Encoded pictures: opened with limits, and decoded to RGB at the size that is needed."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile

from concord.errors import DataError
from concord.types import RawImage

MAX_PIXELS = 64 * 1024 * 1024
"""Pictures above this are refused before they are decoded: a file of kilobytes can ask for gigabytes. Above 179 million
pixels Pillow refuses by itself, whatever the limit here."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""What may be decoded. Formats that start other programs (EPS) are not among them."""

WHITE = (255, 255, 255)

SHRINKS = (8, 4, 2)
"""By how much a JPEG can be decoded smaller: only the low frequencies of its blocks of 8 x 8 are then transformed."""


_Turn = Image.Transpose
TURNS = {
    2: _Turn.FLIP_LEFT_RIGHT,
    3: _Turn.ROTATE_180,
    4: _Turn.FLIP_TOP_BOTTOM,
    5: _Turn.TRANSPOSE,
    6: _Turn.ROTATE_270,
    7: _Turn.TRANSVERSE,
    8: _Turn.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation; from 5 on, width and height change places."""


def encoded_bytes(image: RawImage) -> bytes:
    """The bytes that make a picture what it is: those of its file where it is encoded, else its pixels."""
    if isinstance(image, bytes):
        return image
    return image.read_bytes() if isinstance(image, Path) else image.tobytes()


def arrow_bytes(array: pa.Array) -> np.ndarray:
    """The values of an Arrow array of uint8 without missing ones, not to be written to; `to_numpy` would import pandas, in each process."""
    return np.frombuffer(array.buffers()[1], np.uint8, len(array), array.offset)


@dataclass(frozen=True)
class Decoded:
    """An upright picture in RGB, whole or shrunk.

    Attributes:
        picture: the pixels.
        shrink: sides of the original over the sides here, rounded up; 1, 2, 4 or 8.
    """

    picture: Image.Image
    shrink: int = 1

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 [H, W, 4], not to be written to; the fourth channel means nothing.

        It is Pillow's own memory, which has room for four channels, except where that is not in one piece (above 16 MiB).
        """
        try:
            values = arrow_bytes(pa.array(self.picture).flatten())
        except ValueError:
            values = np.frombuffer(self.picture.tobytes("raw", "RGBX"), np.uint8)
        return values.reshape(self.picture.height, self.picture.width, 4)


class Encoded:
    """A picture whose pixels are decoded when it is known how many of them are needed.

    Transparent parts show the background; 16-bit grey is scaled to 8 bits, floating-point grey stretched over its range; of
    an animation the first frame is taken; EXIF orientation is applied.

    Args:
        image: encoded bytes, a file, a PIL picture, or an array [H, W] or [H, W, C] with C 1, 3 or 4, uint8 (or uint16 for grey).
        max_pixels: the most pixels that a picture may have.
        background: red, green and blue behind transparent parts, each in 0..255.

    Attributes:
        size: width and height of the upright picture in pixels, before any shrinking.

    Raises:
        DataError: with the cause, for a picture that is missing, broken, empty or too large.
    """

    def __init__(self, image: RawImage, max_pixels: int = MAX_PIXELS, background: tuple[int, int, int] = WHITE) -> None:
        self._image = image
        self._background = background
        with _errors(image):
            self._picture = _open(image)
            _check_size(self._picture, max_pixels)
            # A picture that the caller opened stays as it is: shrinking would change it for everyone.
            self._shrinks = isinstance(self._picture, JpegImageFile) and self._picture is not image
            if not self._shrinks:  # of other formats the orientation may stand behind the pixels
                self._picture.load()
            self._orientation = _orientation(self._picture)
        width, height = self._picture.size
        self.size = (height, width) if self._orientation >= 5 else (width, height)

    def decode(self, shrink: int = 1) -> Decoded:
        """The pixels, at 1 / `shrink` of the sides or more: formats that cannot be decoded smaller give all. To be called once.

        Raises:
            DataError: for a picture that is broken.
        """
        with _errors(self._image):
            shrink = self._possible(shrink)
            if shrink > 1:
                self._picture.draft(None, (self._picture.width // shrink, self._picture.height // shrink))
            self._picture.load()
            turn = TURNS.get(self._orientation)
            picture = self._picture.transpose(turn) if turn is not None else self._picture
            return Decoded(_to_rgb(picture, self._background), shrink)

    def _possible(self, shrink: int) -> int:
        """The largest that the format allows. Where a side is no multiple, the last pixel stands for less than the others; as
        boxes count from the first, it must be the last in the upright picture too."""
        sides = self._picture.size
        allowed = [s for s in SHRINKS if s <= min(shrink, *sides) and (self._orientation == 1 or all(side % s == 0 for side in sides))]
        return allowed[0] if self._shrinks and allowed else 1


def decode(image: RawImage, max_pixels: int = MAX_PIXELS, background: tuple[int, int, int] = WHITE) -> Image.Image:
    """A whole picture in RGB, upright; see `Encoded`.

    Raises:
        DataError: with the cause, for a picture that is missing, broken, empty or too large.
    """
    return Encoded(image, max_pixels, background).decode().picture


def decode_mask(image: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The numbers that a picture of one channel stores, uint8 [H, W]: places in its palette, or its grey values as they are.

    Raises:
        DataError: with the cause, for a picture that is broken, too large, or in colour.
    """
    with _errors(image):
        picture = _open(image)
        _check_size(picture, max_pixels)
        if picture.mode not in ("P", "L", "1"):
            raise DataError(f"a mask must have a palette or 8 bits of grey, got a picture of mode {picture.mode}")
        return np.array(picture, dtype=np.uint8)


def decode_grey(image: bytes, largest: int, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """A picture of 16 bits of grey as 8, uint8 [H, W], where fewer of the 16 are used: 12 bits have a `largest` value of 4095.

    Raises:
        DataError: with the cause, for a picture that is broken, too large, or not of 16 bits of grey.
    """
    with _errors(image):
        picture = _open(image)
        _check_size(picture, max_pixels)
        if picture.mode[0] != "I":
            raise DataError(f"the picture must have 16 bits of grey, got one of mode {picture.mode}")
        return np.array(_deep_grey(picture, largest))


def stored_size(image: RawImage) -> tuple[int, int]:
    """Width and height of a picture as it is stored, from its header alone: EXIF orientation is not applied.

    Raises:
        DataError: with the cause, for a picture that is missing, or whose header is broken.
    """
    with _errors(image):
        return _open(image).size


def reuse_memory(blocks: int = 4) -> None:
    """Keep the memory of decoded pictures for the next ones, in all of this process: up to so many blocks of 16 MiB at most.

    A process that decodes one picture after another otherwise asks the system for the same pages again and again.
    """
    Image.core.set_blocks_max(blocks)  # type: ignore[attr-defined]


@contextmanager
def _errors(image: RawImage) -> Iterator[None]:
    """Whatever a decoder says, as one line."""
    try:
        yield
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is `max_pixels`
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


def _orientation(picture: Image.Image) -> int:
    try:
        orientation = picture.getexif().get(Base.Orientation, 1)
    except Exception:  # a broken EXIF block says nothing of the orientation; the pixels are still good
        return 1
    return orientation if orientation in TURNS else 1


def _to_rgb(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode[0] in "IF":
        return _deep_grey(picture).convert("RGB")
    if picture.has_transparency_data:
        front = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", front.size, (*background, 255)), front).convert("RGB")
    return picture.convert("RGB")


def _deep_grey(picture: Image.Image, largest: int = 65535) -> Image.Image:
    """More than 8 bits of grey as 8, integers by the largest there may be. PIL's own conversion clips at 255 instead."""
    values = np.asarray(picture).astype(np.float64)
    if picture.mode[0] == "I":
        scaled = values.clip(0, largest) / (largest / 255)
    else:
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        span = np.ptp(values)
        scaled = (values - values.min()) * (255 / span) if span > 0 else np.zeros_like(values)
    return Image.fromarray(scaled.round().astype(np.uint8))


def _name(image: RawImage) -> str:
    if isinstance(image, Path):
        return f"image {image}"
    return f"image of {len(image)} bytes" if isinstance(image, bytes) else "image"
