"""Ultrasound sectors of liver and gallbladder, with speckle, enhancement behind fluid and shadow behind stone."""

from __future__ import annotations

import numpy as np

from concord.data.phantoms.drawing import Array, band, blend, disc, edge, ellipse, grid, smooth_noise
from concord.data.phantoms.study import Study

APEX = -1.5
"""Height at which the beams meet, above the picture."""


def draw(study: Study, image_size: int) -> Array:
    """Paint a study, [S, S] in [0, 1]."""
    anatomy, grain, form = study.streams()
    x, y = grid(image_size)
    depth = np.sqrt(x * x + (y - APEX) ** 2)
    gallbladder = (anatomy.uniform(-0.4, -0.25), anatomy.uniform(0.1, 0.25))

    canvas = np.full((image_size, image_size), 0.42, dtype=np.float32) + 0.04 * smooth_noise(anatomy, image_size, 6)
    for _ in range(4):
        vessel = (anatomy.uniform(-0.6, 0.7), anatomy.uniform(-0.6, 0.6))
        blend(canvas, ellipse(x, y, vessel, (anatomy.uniform(0.05, 0.14), 0.035), 0.05), 0.16)
    canvas += 0.45 * band(depth - 2.25 - 0.1 * x, 0.04)
    _draw_fluid(canvas, x, y, gallbladder, (0.27, 0.15))
    _draw_finding(canvas, x, y, study, gallbladder, form)
    canvas *= _speckle(grain, image_size) * (1.15 - 0.2 * (depth - 0.6))
    canvas *= edge(0.62 - np.abs(np.arctan2(x, y - APEX)), 0.03) * edge(depth - 0.62, 0.03) * edge(2.42 - depth, 0.03)
    return canvas


def _speckle(rng: np.random.Generator, image_size: int) -> Array:
    """Rayleigh-like grain, wider across the beams than along them."""
    grain = [smooth_noise(rng, image_size, image_size // 3, image_size * 2 // 3) for _ in range(2)]
    return 0.35 + 0.55 * np.sqrt(grain[0] ** 2 + grain[1] ** 2)


def _draw_fluid(canvas: Array, x: Array, y: Array, centre: tuple[float, float], radii: tuple[float, float]) -> None:
    """An echo-free cavity with a bright wall, and brighter tissue behind it."""
    canvas += 0.25 * _behind(x, y, centre, 0.7 * radii[0])
    blend(canvas, ellipse(x, y, centre, (radii[0] + 0.035, radii[1] + 0.035), 0.04), 0.65)
    blend(canvas, ellipse(x, y, centre, radii, 0.04), 0.02)


def _behind(x: Array, y: Array, centre: tuple[float, float], half_width: float) -> Array:
    """The part of the sector that beams reach after passing the centre."""
    slope = centre[0] / (centre[1] - APEX)
    return edge(half_width - np.abs(x - slope * (y - APEX)), 0.08) * edge(y - centre[1], 0.1)


def _draw_finding(canvas: Array, x: Array, y: Array, study: Study, gallbladder: tuple[float, float], rng: np.random.Generator) -> None:
    centre = (rng.uniform(0.15, 0.45), rng.uniform(-0.25, 0.2))
    if study.finding == "cyst":
        radius = 0.09 + 0.15 * study.extent
        _draw_fluid(canvas, x, y, centre, (radius, radius))
    elif study.finding == "solid mass":
        radius = 0.12 + 0.17 * study.extent
        blend(canvas, disc(x, y, centre, radius + 0.05, 0.04), 0.2)
        blend(canvas, disc(x, y, centre, radius, 0.05), 0.85 + 0.08 * smooth_noise(rng, canvas.shape[0], 12))
    elif study.finding == "gallstone":
        radius = 0.04 + 0.06 * study.extent
        stone = (gallbladder[0] + rng.uniform(-0.1, 0.1), gallbladder[1] + 0.1 - 0.5 * radius)
        blend(canvas, _behind(x, y, stone, 1.2 * radius), 0.05)
        blend(canvas, disc(x, y, stone, radius, 0.03), 1.3)
