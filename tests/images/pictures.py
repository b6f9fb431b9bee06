"""Pictures for the tests: noise, photographs of installed packages, and files that are none."""

from __future__ import annotations

import importlib.util
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """Noise."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def smooth(width: int, height: int) -> Image.Image:
    """Waves of a few dozen pixels in each colour, which no two parts share: JPEG keeps them almost as they are."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17 + y / 41), np.cos(x / 29 - y / 13), np.sin((x + 2 * y) / 37)]
    return Image.fromarray((127.5 + 120 * np.stack(waves, axis=-1)).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds almost nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def photographs() -> list[Path]:
    """The JPEGs that scikit-learn and matplotlib bring along, where they are installed."""
    scikit_learn = ["datasets/images/china.jpg", "datasets/images/flower.jpg"]
    places = {"sklearn": scikit_learn, "matplotlib": ["mpl-data/sample_data/grace_hopper.jpg"]}
    found = []
    for package, names in places.items():
        if (spec := importlib.util.find_spec(package)) is not None and spec.origin is not None:
            found += [Path(spec.origin).parent / name for name in names]
    return [path for path in found if path.exists()]


def psnr(first: Tensor, second: Tensor) -> float:
    """Of pixels in 0..255, in dB; infinite where they are equal."""
    error = (first.double() - second.double()).square().mean().item()
    return 10 * math.log10(255**2 / error) if error > 0 else math.inf
