"""Frontal chest radiographs: bright is dense. The patient's left, with the heart's apex, is on the image's right."""

from __future__ import annotations

import numpy as np

from concord.data.phantoms.drawing import Array, band, blend, disc, edge, ellipse, grid, smooth_noise
from concord.data.phantoms.study import Study

LUNG_CENTRE = (0.46, -0.1)
LUNG_RADII = (0.36, 0.7)


def draw(study: Study, image_size: int) -> Array:
    """Paint a study, [S, S] in [0, 1]."""
    anatomy, grain, form = study.streams()
    x, y = grid(image_size)
    scale = anatomy.uniform(0.93, 1.03)
    x, y = x / scale - anatomy.uniform(-0.03, 0.03), y / scale - anatomy.uniform(-0.03, 0.03)
    tone = anatomy.uniform(-0.04, 0.04)
    markings = smooth_noise(anatomy, image_size, 14)

    canvas = np.full((image_size, image_size), 0.03, dtype=np.float32)
    trunk = edge(1 - (x / 1.02) ** 4 - ((y - 0.5) / 1.3) ** 4, 0.25)
    body = np.maximum(trunk, ellipse(x, y, (0, -1), (0.3, 0.5), 0.08))
    blend(canvas, body, 0.6 + tone)
    lungs = {side: _lung(x, y, side) for side in (-1, 1)}
    for side, lung in lungs.items():
        blend(canvas, lung, 0.2 + tone)
        canvas += 0.05 * markings * lung * band(x - side * 0.2, 0.25)
    _draw_bones(canvas, x, y, body)
    _draw_finding(canvas, x, y, study, lungs, form)
    _draw_middle(canvas, x, y, study)
    canvas += 0.015 * grain.standard_normal(canvas.shape, dtype=np.float32)
    return canvas


def _lung(x: Array, y: Array, side: int) -> Array:
    """One lung above its dome of the diaphragm; the right dome (image left) stands higher."""
    centre = side * LUNG_CENTRE[0]
    dome = (0.42 if side < 0 else 0.48) + 0.9 * (x - 0.9 * centre) ** 2
    return ellipse(x, y, (centre, LUNG_CENTRE[1]), LUNG_RADII, 0.07) * edge(dome - y, 0.04)


def _draw_bones(canvas: Array, x: Array, y: Array, body: Array) -> None:
    width = np.abs(x)
    spacing = 0.19
    behind = (y - 0.3 * width + 0.35 * width * width) % spacing - spacing / 2
    canvas += 0.085 * band(behind, 0.028) * edge(width - 0.12, 0.06) * edge(0.9 - width, 0.1) * edge(0.6 - y, 0.1) * body
    canvas += 0.1 * band(y + 0.74 - 0.12 * width, 0.03) * edge(0.75 - width, 0.1) * edge(width - 0.08, 0.05)


def _draw_middle(canvas: Array, x: Array, y: Array, study: Study) -> None:
    """Spine, mediastinum, great vessels, heart, and the stomach's bubble of air."""
    extent = study.extent if study.finding == "cardiomegaly" else 0.0
    blend(canvas, edge(0.13 - np.abs(x), 0.06) * edge(0.95 - y, 0.1), 0.66)
    canvas += 0.06 * band(x, 0.05) * (1 + np.sin(y * 34))
    blend(canvas, edge(0.035 - np.abs(x + 0.01), 0.03) * edge(-0.35 - y, 0.1), 0.42)
    blend(canvas, disc(x, y, (0.14, -0.3), 0.09, 0.06), 0.7)
    # Along its own axes, turned so that the apex points to the image's lower right.
    along, across = 0.85 * (x - 0.13) + 0.53 * (y - 0.22), 0.85 * (y - 0.22) - 0.53 * (x - 0.13)
    heart = ellipse(along, across, (0.1 * extent, 0), (0.31 + 0.25 * extent, 0.23 + 0.12 * extent), 0.06)
    blend(canvas, heart * edge(0.56 - y, 0.06), 0.74)
    blend(canvas, ellipse(x, y, (0.42, 0.74), (0.13, 0.08), 0.06), 0.4)


def _draw_finding(canvas: Array, x: Array, y: Array, study: Study, lungs: dict[int, Array], rng: np.random.Generator) -> None:
    side = study.side_in_image()
    lung = lungs[side]
    if study.finding == "pleural effusion":
        # The fluid climbs along the chest wall: a meniscus.
        level = 0.42 - 0.62 * study.extent - 0.9 * np.square(np.maximum(side * x - 0.3, 0))
        blend(canvas, lung * edge(y - level, 0.06), 0.68)
    elif study.finding == "pneumothorax":
        _draw_collapse(canvas, x, y, side, lung, study.extent)
    elif study.finding == "consolidation":
        spot = _spot(rng, side, (-0.35, 0.3))
        radius = 0.12 + 0.16 * study.extent
        cloud = disc(x, y, spot, radius, radius) + 0.25 * smooth_noise(rng, canvas.shape[0], 12) * disc(x, y, spot, 1.3 * radius)
        blend(canvas, lung * np.clip(1.2 * cloud, 0, 1), 0.66)
    elif study.finding == "nodule":
        blend(canvas, lung * disc(x, y, _spot(rng, side, (-0.5, 0.2)), 0.05 + 0.075 * study.extent, 0.05), 0.78)


def _draw_collapse(canvas: Array, x: Array, y: Array, side: int, lung: Array, extent: float) -> None:
    """Shrink the lung towards its root: black air without markings around it, a fine bright line at its outer border."""
    shrink = 0.96 - 0.36 * extent
    root = (side * 0.15, 0.12)
    centre = (root[0] + shrink * (side * LUNG_CENTRE[0] - root[0]), root[1] + shrink * (LUNG_CENTRE[1] - root[1]))
    rest = ellipse(x, y, centre, (LUNG_RADII[0] * shrink, LUNG_RADII[1] * shrink), 0.06)
    blend(canvas, lung * (1 - rest), 0.02)
    canvas += lung * rest * (0.12 * extent + 1.2 * (1 - rest) * edge(side * x - 0.4, 0.3))


def _spot(rng: np.random.Generator, side: int, height: tuple[float, float]) -> tuple[float, float]:
    return side * rng.uniform(0.42, 0.6), rng.uniform(*height)
