"""The outlines of the shapes as polygons in a box from -1 to 1, y pointing down, and their anti-aliased masks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

OVERSAMPLING = 8

Points = np.ndarray
"""Corners [P, 2], float."""


def _regular(corners: int, radius: float, turn: float = 0.0) -> Points:
    """A regular polygon whose first corner points up, turned clockwise by `turn` radians."""
    angles = np.arange(corners) * 2 * np.pi / corners + turn
    return radius * np.stack([np.sin(angles), -np.cos(angles)], axis=1)


def _shift(points: Points, right: float, down: float) -> Points:
    return points + np.array([right, down])


def _star() -> Points:
    points = _regular(10, 1.0)
    points[1::2] *= 0.46
    return _shift(points, 0.0, 0.06)


def _cross(arm: float = 0.34, reach: float = 0.92) -> Points:
    quarter = np.array([(arm, -reach), (arm, -arm), (reach, -arm)])
    turn = np.array([[0, 1], [-1, 0]])
    return np.concatenate([quarter @ np.linalg.matrix_power(turn, times) for times in range(4)])


def _heart() -> Points:
    t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y - 2.5], axis=1) / 16 * 0.97


def _outlines(shape: str) -> tuple[Points, Points | None]:
    """The outline of a shape, and of the hole that is cut out of it."""
    if shape == "circle":
        return _regular(72, 0.92), None
    if shape == "square":
        return _regular(4, 1.12, np.pi / 4), None
    if shape == "triangle":
        return np.array([(0.0, -0.92), (1.0, 0.84), (-1.0, 0.84)]), None
    if shape == "star":
        return _star(), None
    if shape == "cross":
        return _cross(), None
    if shape == "ring":
        return _regular(72, 0.97), _regular(72, 0.42)
    if shape == "heart":
        return _heart(), None
    if shape == "crescent":
        return _shift(_regular(72, 0.97), 0.1, 0.0), _shift(_regular(72, 0.8), 0.6, 0.0)
    raise ValueError(f"unknown shape {shape!r}")


@lru_cache(maxsize=1024)
def shape_mask(shape: str, diameter: int) -> np.ndarray:
    """How much of each pixel the shape covers, float32 [diameter, diameter, 1] in [0, 1], read-only."""
    side = diameter * OVERSAMPLING
    picture = Image.new("L", (side, side))
    draw = ImageDraw.Draw(picture)
    for points, fill in zip(_outlines(shape), (255, 0), strict=True):
        if points is not None:
            draw.polygon([tuple(point) for point in (points + 1) * (side / 2) - 0.5], fill=fill)
    mask = np.asarray(picture.reduce(OVERSAMPLING), dtype=np.float32)[..., None] / 255
    mask.setflags(write=False)
    return mask
