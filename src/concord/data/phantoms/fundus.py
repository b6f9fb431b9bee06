"""Colour fundus photographs as the examiner sees them: the optic disc of a right eye is on the image's right."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from concord.data.phantoms.drawing import Array, band, blend, corners, coverage, disc, grid, smooth_noise
from concord.data.phantoms.study import Study

DISC_X, DISC_RADIUS = 0.5, 0.2
MACULA_X = -0.12
COUNTS = {"exudates": (5, 11, 22), "haemorrhages": (3, 7, 14)}
AREAS = {"exudates": (MACULA_X, (0.38, 0.38), (0.03, 0.05)), "haemorrhages": (-0.15, (0.55, 0.75), (0.05, 0.09))}
"""By finding: x of the centre, reach in x and in y, least and greatest radius of a spot."""
SCALE = 3
"""Oversampling of what Pillow draws."""

VESSEL = np.array((0.5, 0.08, 0.05), dtype=np.float32)
PALE = np.array((1.0, 0.78, 0.42), dtype=np.float32)
CUP = np.array((1.0, 0.97, 0.85), dtype=np.float32)
EXUDATE = np.array((1.0, 0.93, 0.45), dtype=np.float32)
BLOOD = np.array((0.3, 0.02, 0.03), dtype=np.float32)


def draw(study: Study, image_size: int) -> Array:
    """Paint a study, [S, S, 3] in [0, 1]."""
    anatomy, grain, form = study.streams()
    x, y = grid(image_size)
    nasal = DISC_X + anatomy.uniform(-0.04, 0.04)
    base = np.array((0.82, 0.37, 0.15), dtype=np.float32) * np.float32(anatomy.uniform(0.88, 1.08))

    shade = 1 - 0.35 * (x * x + y * y) + 0.03 * smooth_noise(grain, image_size, 10)
    canvas = shade[..., None] * base
    blend(canvas, 0.5 * band(np.hypot(x - MACULA_X, y), 0.13), base * np.float32(0.45))
    blend(canvas, 0.8 * _vessels(image_size, nasal, anatomy), VESSEL)
    ratio = 0.3 + (0.6 * study.extent if study.finding == "large cup" else 0.0)
    blend(canvas, disc(x, y, (nasal, 0.02), DISC_RADIUS, 0.05), PALE)
    blend(canvas, disc(x, y, (nasal, 0.02), ratio * DISC_RADIUS, 0.03), CUP)
    if study.finding in COUNTS:
        blend(canvas, _spots(image_size, study, form), EXUDATE if study.finding == "exudates" else BLOOD)
    canvas *= disc(x, y, (0, 0), 0.95, 0.03)[..., None]
    # Painted as a right eye; a left eye is its mirror image.
    return canvas[:, ::-1] if study.side == "left" else canvas


def _vessels(image_size: int, nasal: float, rng: np.random.Generator) -> Array:
    """Arcades of a right eye that bow around the macula, with branches, and two vessels to the other side."""
    picture, pen, side = _sheet(image_size)
    t = np.linspace(0, 1, 12)
    for up in (-1, 1):
        arcade = np.stack([nasal - 1.35 * t, up * rng.uniform(0.55, 0.68) * np.sqrt(t)], axis=1)
        _stroke(pen, arcade, 0.05, side)
        for start in (3, 6, 8):
            turn = np.stack([-0.3 * t, up * rng.uniform(0.1, 0.4) * t * t], axis=1)
            _stroke(pen, arcade[start] + turn, 0.022, side)
            _stroke(pen, arcade[start] + turn * (0.7, -0.8), 0.02, side)
        _stroke(pen, np.stack([nasal + 0.5 * t, up * rng.uniform(0.35, 0.6) * t], axis=1), 0.03, side)
    return coverage(picture, SCALE)


def _spots(image_size: int, study: Study, rng: np.random.Generator) -> Array:
    """Exudates close around the macula, or haemorrhages over the whole fundus of a right eye."""
    picture, pen, side = _sheet(image_size)
    count = COUNTS[study.finding][study.severity or 0]
    centre, reach, radii = AREAS[study.finding]
    angles, distances = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0.02, 1, count))
    middles = np.stack([centre + reach[0] * distances * np.cos(angles), reach[1] * distances * np.sin(angles)], axis=1)
    for middle, radius in zip(middles, rng.uniform(*radii, count), strict=True):
        pen.ellipse(corners(np.stack([middle - radius, middle + radius]), side), fill=255)
    return coverage(picture, SCALE)


def _sheet(image_size: int) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    side = image_size * SCALE
    picture = Image.new("L", (side, side))
    return picture, ImageDraw.Draw(picture), side


def _stroke(pen: ImageDraw.ImageDraw, points: Array, width: float, side: int) -> None:
    pen.line(corners(points, side), fill=255, width=max(1, round(width * side / 2)), joint="curve")
