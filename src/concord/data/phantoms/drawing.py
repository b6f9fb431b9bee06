"""Brushes: soft masks [S, S] in [0, 1] on a picture that spans -1 to 1, x to the right and y down."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

Array = np.ndarray


@lru_cache(maxsize=16)
def grid(image_size: int) -> tuple[Array, Array]:
    """Pixel centres x [1, S] and y [S, 1], float32, read-only."""
    centres = ((np.arange(image_size, dtype=np.float32) + 0.5) / image_size) * 2 - 1
    centres.setflags(write=False)
    return centres[None, :], centres[:, None]


def edge(distance: Array, softness: float) -> Array:
    """1 where the distance is positive, 0 where it is negative, a ramp of width `softness` between."""
    return np.clip(distance / softness + 0.5, 0, 1)


def ellipse(x: Array, y: Array, centre: tuple[float, float], radii: tuple[float, float], softness: float = 0.04) -> Array:
    """A filled ellipse. `softness` is a length, like the radii."""
    across, along = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    return edge((1 - np.sqrt(across * across + along * along)) * min(radii), softness)


def disc(x: Array, y: Array, centre: tuple[float, float], radius: float, softness: float = 0.04) -> Array:
    return ellipse(x, y, centre, (radius, radius), softness)


def band(distance: Array, width: float) -> Array:
    """A soft line where the distance is near 0: 1 on it, falling to 0.6 at `width` and to 0.14 at twice that."""
    scaled = distance / width
    return np.exp(-0.5 * scaled * scaled)


def corners(points: Array, side: int) -> list[tuple[float, float]]:
    """Points [P, 2] of the picture as Pillow takes them, in pixels of a canvas `side` wide."""
    return [(x, y) for x, y in ((points + 1) * (side / 2)).tolist()]


def coverage(picture: Image.Image, scale: int) -> Array:
    """A drawing in mode L, `scale` times too large, as a mask."""
    return np.asarray(picture.reduce(scale), dtype=np.float32) / 255


def blend(canvas: Array, mask: Array, value: float | Array) -> None:
    """Paint `value` over the canvas [S, S] or [S, S, 3] where the mask is, in place."""
    if canvas.ndim == 3:
        mask = mask[..., None]
    canvas += mask * (value - canvas)


def smooth_noise(rng: np.random.Generator, image_size: int, across: int, down: int | None = None) -> Array:
    """Noise of mean 0 and deviation near 1 with about `across` x `down` independent cells, [S, S] float32."""
    cells = rng.standard_normal((across if down is None else down, across), dtype=np.float32)
    return np.asarray(Image.fromarray(cells).resize((image_size, image_size), Image.Resampling.BICUBIC))


def to_pixels(canvas: Array) -> Array:
    """From [S, S] or [S, S, 3] in [0, 1] (clipped) to uint8 [S, S, 3]; grey is the same in all three channels."""
    pixels = (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
