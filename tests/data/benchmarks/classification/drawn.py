"""Tiny pictures that differ, and small files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from PIL import Image

SIDE = 10
FEW = 6
"""Examples of most data sets, of which the classes take turns."""
MANY = 60
"""Examples of those whose groups are compared, so that each of two groups has enough."""


def pixels(name: str, side: int = SIDE) -> np.ndarray:
    """A picture, uint8 [side, side, 3], that depends on its name alone."""
    return np.random.default_rng(crc32(name.encode())).integers(0, 256, (side, side, 3), dtype=np.uint8)


def picture(name: str, kind: str = "PNG", side: int = SIDE) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(name, side)).save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return buffer.getvalue()


def write_picture(file: Path, side: int = SIDE) -> None:
    """A picture of its own in the format that the file's name says."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".ppm": "PPM", ".bmp": "BMP"}.get(file.suffix.lower(), "PNG")
    file.write_bytes(picture(str(file.relative_to(file.parents[2])), kind, side))


def npy(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values), allow_pickle=False)
    return buffer.getvalue()


def write_text(file: Path, lines: Iterable[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
