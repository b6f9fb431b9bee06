"""An example as it is stored: its image as bytes, its texts as text that UTF-8 can hold."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from concord.data.preparation.options import Options
from concord.data.source import NO_CAPTION, BadSample
from concord.errors import DataError
from concord.images import Preprocess, decode
from concord.types import Pair, RawImage, role_of


@dataclass(frozen=True)
class Record:
    """One example to write.

    Attributes:
        image: encoded bytes.
        captions: text and role of each; the role is "" where the source gave none.
        metadata: JSON text of an object.
    """

    key: str
    image: bytes
    captions: tuple[tuple[str, str], ...]
    source: str
    metadata: str


class Recorder:
    """Makes records of pairs.

    Args:
        options: whether images are checked and resized.
        preprocess: gives the limit of pixels, the background of transparent pictures and the interpolation of resizing.
    """

    def __init__(self, options: Options, preprocess: Preprocess) -> None:
        self.options = options
        self.preprocess = preprocess

    def __call__(self, pair: Pair) -> Record:
        """The pair as it will be stored.

        Raises:
            BadSample: when it has no caption, its image cannot be read or decoded, or its metadata cannot be written.
        """
        if not pair.captions:
            raise BadSample(NO_CAPTION, pair.key)
        captions = tuple((_readable(caption), _readable(role_of(caption))) for caption in pair.captions)
        return Record(utf8(pair.key), self._image(pair.image, pair.key), captions, utf8(pair.source), _json(pair))

    def _image(self, image: RawImage, key: str) -> bytes:
        image = _read(image, key) if isinstance(image, Path) else image
        if isinstance(image, bytes) and self.options.short_side is None and not self.options.validate:
            return image
        try:
            picture = decode(image, self.preprocess.max_pixels, self.preprocess.background)
        except DataError as error:
            raise BadSample("image cannot be decoded", key, str(error)) from None
        if self.options.short_side is not None and min(picture.size) > self.options.short_side:
            return _encoded(self._smaller(picture, self.options.short_side), "JPEG", quality=self.options.quality)
        return image if isinstance(image, bytes) else _encoded(picture, "PNG")

    def _smaller(self, picture: Image.Image, short_side: int) -> Image.Image:
        share = short_side / min(picture.size)
        width, height = (max(short_side, round(side * share)) for side in picture.size)
        return picture.resize((width, height), Image.Resampling[self.preprocess.interpolation.upper()])


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadSample(f"image cannot be read ({type(error).__name__})", key) from None


def _encoded(picture: Image.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return buffer.getvalue()


def _json(pair: Pair) -> str:
    try:
        return utf8(json.dumps(_plain(pair.metadata), ensure_ascii=False))  # a backslash before a lone surrogate is JSON's own escape
    except RecursionError:
        raise BadSample("metadata are nested too deep", pair.key) from None


def _plain(value: Any) -> Any:
    """What JSON can hold: numbers that are none become null, and what it does not know its text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def utf8(text: str) -> str:
    """Lone surrogates, which have no UTF-8 form, written out: a key so written falls into the same part of a `HashSplit`."""
    return text.encode("utf-8", "backslashreplace").decode()


def _readable(text: str) -> str:
    """Lone surrogates as U+FFFD, which is what tokenizers make of them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
