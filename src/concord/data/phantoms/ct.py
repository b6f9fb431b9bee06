"""Axial abdominal CT slices, seen from the feet: the patient's right, with the liver, is on the image's left; the front is up."""

from __future__ import annotations

import numpy as np

from concord.data.phantoms.drawing import Array, blend, disc, edge, ellipse, grid, smooth_noise
from concord.data.phantoms.study import Study

FAT, MUSCLE, LIVER, BLOOD, KIDNEY, BONE = 0.25, 0.5, 0.58, 0.66, 0.72, 0.95
KIDNEY_CENTRE = (0.43, 0.27)
KIDNEY_RADII = (0.14, 0.17)


def draw(study: Study, image_size: int) -> Array:
    """Paint a study, [S, S] in [0, 1]."""
    anatomy, grain, form = study.streams()
    x, y = grid(image_size)
    x, y = x / anatomy.uniform(0.92, 1.02), y / anatomy.uniform(0.92, 1.05)
    fat = anatomy.uniform(0.05, 0.13)

    canvas = np.zeros((image_size, image_size), dtype=np.float32)
    blend(canvas, ellipse(x, y, (0, 0), (0.95, 0.72), 0.03), FAT)
    blend(canvas, ellipse(x, y, (0, 0.02), (0.95 - fat, 0.72 - fat), 0.03), MUSCLE)
    cavity = ellipse(x, y, (0, -0.02), (0.87 - fat, 0.63 - fat), 0.03)
    blend(canvas, cavity, FAT)
    liver = cavity * ellipse(x, y, (-0.42, -0.12), (0.47, 0.42), 0.04) * edge(0.15 - x - 0.5 * y, 0.05)
    blend(canvas, liver, LIVER)
    _draw_left_organs(canvas, x, y, cavity, anatomy)
    _draw_spine(canvas, x, y)
    _draw_ribs(canvas, x, y, fat)
    _draw_kidneys(canvas, x, y, cavity, study)
    _draw_finding(canvas, x, y, study, liver, form)
    body = ellipse(x, y, (0, 0), (0.95, 0.72), 0.03)
    canvas += body * (0.02 * smooth_noise(grain, image_size, image_size // 2))
    return canvas


def _draw_left_organs(canvas: Array, x: Array, y: Array, cavity: Array, anatomy: np.random.Generator) -> None:
    """Stomach with its bubble of air, spleen, bowel."""
    blend(canvas, cavity * ellipse(x, y, (0.33, -0.27), (0.28, 0.17), 0.03), 0.45)
    blend(canvas, cavity * ellipse(x, y, (0.33, -0.36), (0.19, 0.07), 0.03), 0.02)
    blend(canvas, cavity * ellipse(x, y, (0.68, 0.02), (0.16, 0.28), 0.03), 0.6)
    for _ in range(3):
        blend(canvas, cavity * disc(x, y, (anatomy.uniform(0.1, 0.4), anatomy.uniform(-0.05, 0.08)), 0.07, 0.03), 0.46)


def _draw_spine(canvas: Array, x: Array, y: Array) -> None:
    for side in (-1, 1):
        blend(canvas, ellipse(x, y, (side * 0.22, 0.47), (0.16, 0.1), 0.03), MUSCLE)
    blend(canvas, ellipse(x, y, (0, 0.54), (0.2, 0.035), 0.03), BONE)
    blend(canvas, ellipse(x, y, (0, 0.58), (0.035, 0.09), 0.03), BONE)
    blend(canvas, ellipse(x, y, (0, 0.33), (0.14, 0.12), 0.03), BONE - 0.1)
    blend(canvas, disc(x, y, (0, 0.49), 0.05, 0.03), 0.4)
    blend(canvas, disc(x, y, (0.06, 0.13), 0.065, 0.03), BLOOD)
    blend(canvas, ellipse(x, y, (-0.1, 0.14), (0.07, 0.05), 0.03), BLOOD)


def _draw_ribs(canvas: Array, x: Array, y: Array, fat: float) -> None:
    for degrees in (-20, 12, 40, 140, 168, 200):
        angle = np.deg2rad(degrees)
        centre = (float((0.91 - fat) * np.cos(angle)), float((0.675 - fat) * np.sin(angle)))
        blend(canvas, disc(x, y, centre, 0.045, 0.03), BONE)


def _draw_kidneys(canvas: Array, x: Array, y: Array, cavity: Array, study: Study) -> None:
    for side in (-1, 1):
        centre = (side * KIDNEY_CENTRE[0], KIDNEY_CENTRE[1])
        if study.finding == "perinephric haemorrhage" and side == study.side_in_image():
            width = 0.07 + 0.13 * study.extent
            spread = ellipse(x, y, centre, (KIDNEY_RADII[0] + width, KIDNEY_RADII[1] + width), 0.05)
            blend(canvas, cavity * spread, BLOOD - 0.12)
            blend(canvas, ellipse(x, y, centre, (KIDNEY_RADII[0] + 0.02, KIDNEY_RADII[1] + 0.02), 0.02), FAT)
        blend(canvas, ellipse(x, y, centre, KIDNEY_RADII, 0.03), KIDNEY)
        blend(canvas, ellipse(x, y, (centre[0] - side * 0.06, centre[1]), (0.05, 0.05), 0.04), FAT + 0.1)


def _draw_finding(canvas: Array, x: Array, y: Array, study: Study, liver: Array, rng: np.random.Generator) -> None:
    side = study.side_in_image()
    if study.finding == "liver lesion":
        centre = (rng.uniform(-0.65, -0.3), rng.uniform(-0.25, 0.05))
        blend(canvas, liver * disc(x, y, centre, 0.06 + 0.13 * study.extent, 0.05), 0.34)
    elif study.finding == "kidney stone":
        centre = (side * KIDNEY_CENTRE[0] + rng.uniform(-0.05, 0.05), KIDNEY_CENTRE[1] + rng.uniform(-0.07, 0.07))
        blend(canvas, disc(x, y, centre, 0.025 + 0.05 * study.extent, 0.03), 1.0)
