"""From a scene to pixels: anti-aliased masks and texture tiles, computed once each, blended where the objects are."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from concord.data.shapes.outlines import OVERSAMPLING, shape_mask
from concord.data.shapes.scene import Background, Scene, Thing
from concord.data.shapes.vocabulary import COLOURS

PERIOD = 7 / 64
"""Length of one period of a texture, as a share of the image side: the same at every size of the object."""


def render(scene: Scene, image_size: int) -> np.ndarray:
    """Paint a scene, uint8 [image_size, image_size, 3]."""
    canvas = _paint_background(scene.background, image_size)
    for thing in scene.things:
        _paint(canvas, thing, scene.background.tone, image_size)
    return canvas.astype(np.uint8)


def _paint_background(background: Background, image_size: int) -> np.ndarray:
    across = np.linspace(-0.5, 0.5, image_size, dtype=np.float32)
    grey = background.level + background.slope[0] * across + (background.slope[1] * across)[:, None]
    canvas = np.empty((image_size, image_size, 3), dtype=np.float32)
    canvas[...] = grey[..., None]
    return canvas


def _paint(canvas: np.ndarray, thing: Thing, tone: str, image_size: int) -> None:
    diameter = max(1, round(thing.diameter * image_size))
    left, top = (min(max(0, round(centre * image_size - diameter / 2)), image_size - diameter) for centre in (thing.x, thing.y))
    colour, second = _colours(thing.look.colour, tone)
    paint = colour
    if thing.look.texture != "solid":
        tile, period = _tile(thing.look.texture, image_size)
        right, down = (int(phase * period) for phase in thing.phase)
        paint = colour + tile[down : down + diameter, right : right + diameter] * (second - colour)
    patch = canvas[top : top + diameter, left : left + diameter]
    patch += shape_mask(thing.look.shape, diameter) * (paint - patch)


@lru_cache(maxsize=64)
def _colours(colour: str, tone: str) -> tuple[np.ndarray, np.ndarray]:
    """The colour of an object and the second colour of its texture, float32 [3] each.

    The second is nearly black on a light background and nearly white on a dark one, so that outlines stay whole.
    """
    first = np.array(COLOURS[colour], dtype=np.float32)
    towards = 0.0 if tone == "light" else 255.0
    return first, first * np.float32(0.15) + np.float32(0.85 * towards)


@lru_cache(maxsize=64)
def _tile(texture: str, image_size: int) -> tuple[np.ndarray, int]:
    """Share of the second colour at each pixel, float32 [S, S, 1] in [0, 1], and the period in pixels.

    S leaves room for an object of any size to start at any phase.
    """
    period = max(2, round(PERIOD * image_size))
    side = image_size + period
    position = (np.arange(side * OVERSAMPLING) + 0.5) / OVERSAMPLING / period
    x, y = position[None, :] % 1, position[:, None] % 1
    if texture == "striped":
        second = (y < 0.4) & (x >= 0)
    elif texture == "dotted":
        second = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.3**2
    elif texture == "checkered":
        second = (x < 0.5) ^ (y < 0.5)
    else:
        raise ValueError(f"unknown texture {texture!r}")
    coverage = second.reshape(side, OVERSAMPLING, side, OVERSAMPLING).mean(axis=(1, 3))
    return coverage.astype(np.float32)[..., None], period
