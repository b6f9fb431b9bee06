"""Shards of photographs for measurements: from a folder of JPEGs, or of pictures that compress and decode as photographs do."""

from __future__ import annotations

import io
import random
import statistics
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZES = ((640, 480), (640, 427), (480, 640), (800, 600), (800, 533), (1024, 768), (1024, 683), (683, 1024))
"""Of pictures on the web, in pixels."""

_TEXT = (
    "a the of on in with near under man woman child dog cat horse bird car train street house tree river table plate red blue "
    "green white black small large old young wooden standing sitting walking holding looking playing riding eating photo "
    "picture sky beach snow field kitchen window bicycle boat umbrella ball shirt hat two three some next front"
)
WORDS = _TEXT.split()


@dataclass(frozen=True)
class Shards:
    """What was written.

    Attributes:
        folder: of the tar files.
        images: the different pictures, encoded.
    """

    folder: Path
    images: tuple[bytes, ...]

    def describe(self) -> str:
        sizes = [Image.open(io.BytesIO(image)).size for image in self.images]
        width, height = (statistics.mean(side) for side in zip(*sizes, strict=True))
        kilobytes = [len(image) / 1000 for image in self.images]
        return (
            f"{len(self.images)} different JPEGs, {statistics.mean(kilobytes):.0f} kB on average "
            f"({min(kilobytes):.0f} to {max(kilobytes):.0f}), {width:.0f} x {height:.0f} pixels on average"
        )


def write_shards(folder: Path, images: Sequence[bytes], examples: int, shards: int = 8) -> Shards:
    """`examples` pairs in tar files as img2dataset writes them; pictures come round again when there are fewer."""
    rng = random.Random(0)
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as tar:
            for index in range(shard, examples, shards):
                caption = " ".join(rng.choices(WORDS, k=rng.randint(6, 18))).capitalize() + "."
                for suffix, content in (
                    ("jpg", images[index % len(images)]),
                    ("txt", caption.encode()),
                    ("json", b'{"status": "success"}'),
                ):
                    info = tarfile.TarInfo(f"{index:09d}.{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
    return Shards(folder, tuple(images))


def read_folder(folder: Path, most: int) -> list[bytes]:
    """The first JPEGs of a folder, in the order of their names."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        raise SystemExit(f"{folder} holds no .jpg or .jpeg")
    return [file.read_bytes() for file in files[:most]]


def make_photographs(count: int, kilobytes: float = 100) -> Iterator[bytes]:
    """JPEGs of about that size each, 4:2:0, of the usual sizes on the web."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        yield _encode(_paint(*SIZES[seed % len(SIZES)], rng), 1000 * kilobytes * rng.uniform(0.75, 1.25))


def _paint(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    """Noise whose amplitude falls with its frequency, as in photographs (Field 1987), under shapes with edges, and grain."""
    canvas = np.full((height, width, 3), 128.0)
    for octave in range(1, 9):
        shape = (2**octave * height // max(width, height) + 1, 2**octave + 1)
        grey = rng.normal(size=(*shape, 1)) + 0.4 * rng.normal(size=(*shape, 3))
        layers = [_enlarge(layer, width, height) for layer in np.moveaxis(grey, 2, 0)]
        canvas += 60 * 0.68**octave * np.stack(layers, axis=2)
    painted = _shapes(Image.fromarray(canvas.clip(0, 255).astype(np.uint8)), rng)
    return Image.fromarray((np.asarray(painted) + rng.normal(scale=4, size=(height, width, 1))).clip(0, 255).astype(np.uint8))


def _enlarge(values: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(values.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))


def _shapes(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Ellipses and polygons, half transparent, so that the noise below shows."""
    layer = picture.copy()
    pencil = ImageDraw.Draw(layer)
    for _ in range(25):
        corners = rng.uniform(0, 0.35 * min(picture.size), size=(int(rng.integers(3, 7)), 2)) + rng.uniform(0, 0.8, 2) * picture.size
        colour = tuple(rng.integers(0, 256, 3).tolist())
        if rng.random() < 0.5:
            pencil.ellipse([*corners.min(0), *corners.max(0)], fill=colour)
        else:
            pencil.polygon([tuple(corner) for corner in corners.tolist()], fill=colour)
    return Image.blend(picture, layer, 0.5)


def _encode(picture: Image.Image, size: float) -> bytes:
    """The JPEG of the highest quality that is no larger than `size` bytes; of quality 40 where none is."""
    low, high = 40, 96
    best = _jpeg(picture, low)
    while high - low > 1:
        middle = (low + high) // 2
        data = _jpeg(picture, middle)
        low, high, best = (middle, high, data) if len(data) <= size else (low, middle, best)
    return best


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
