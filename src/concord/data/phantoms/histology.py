"""Tissue in haematoxylin and eosin: pink stroma, glands around a white lumen, purple nuclei."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from concord.data.phantoms.drawing import Array, corners, smooth_noise
from concord.data.phantoms.study import Study

Colour = tuple[int, int, int]

SCALE = 2
"""Oversampling of what Pillow draws."""
CORNERS = 10
"""Of a cell's outline."""

STROMA, CYTOPLASM, LUMEN = (236, 176, 208), (214, 140, 190), (248, 240, 246)
NUCLEUS, LYMPHOCYTE, TUMOUR_NUCLEUS = (104, 62, 150), (58, 36, 120), (84, 36, 118)

LYMPHOCYTES = (45, 100, 180)
TUMOUR_SHARES = (0.4, 0.65, 1.3)
TUMOUR_NUCLEI = 110
"""In a whole picture of tumour."""


def draw(study: Study, image_size: int) -> Array:
    """Paint a study, [S, S, 3] in [0, 1]."""
    anatomy, grain, form = study.streams()
    shade = 1 + 0.03 * smooth_noise(grain, image_size, image_size // 4)
    slide = Slide(image_size)
    slide.scatter(grain, _places(grain, 25), (0.018, 0.045), NUCLEUS, irregular=0.1)
    if study.finding == "inflammation" and study.severity is not None:
        slide.scatter(form, _places(form, LYMPHOCYTES[study.severity]), (0.026, 0.032), LYMPHOCYTE, irregular=0.05)
    glands = _gland_centres(anatomy, grain)
    healthy = np.ones(len(glands), dtype=bool)
    if study.finding == "tumour" and study.severity is not None:
        share, turn = TUMOUR_SHARES[study.severity], form.uniform(0, 2 * np.pi)
        places = _places(form, TUMOUR_NUCLEI)
        healthy = _along(glands, turn) > share
        slide.scatter(form, places[_along(places, turn) <= share], (0.05, 0.1), TUMOUR_NUCLEUS, irregular=0.3)
    # A stream for each gland: those that a tumour leaves look as they would without it.
    for centre, keep, rng in zip(glands, healthy, grain.spawn(len(glands)), strict=True):
        if keep:
            slide.gland(rng, centre)
    return slide.canvas() * shade[..., None]


def _along(places: Array, turn: float) -> Array:
    """How far places [N, 2] lie in a direction, such that about a share s of the picture has values up to s."""
    return (places @ np.array([np.cos(turn), np.sin(turn)])) / 2.4 + 0.5


def _places(rng: np.random.Generator, count: int) -> Array:
    return rng.uniform(-1, 1, (count, 2))


def _gland_centres(anatomy: np.random.Generator, grain: np.random.Generator) -> Array:
    """Rows of glands, every other row half a step aside, [9, 2]."""
    row, column = np.divmod(np.arange(9), 3) - np.array([[1], [1]])
    steps = np.stack([column + 0.5 * (row % 2) - 0.25, row], axis=1)
    return anatomy.uniform(0.72, 0.86) * steps + grain.uniform(-0.2, 0.2, 2)


class Slide:
    """A piece of stroma to draw cells on; lengths as in `drawing`."""

    def __init__(self, image_size: int) -> None:
        self.side = image_size * SCALE
        self.picture = Image.new("RGB", (self.side, self.side), STROMA)
        self.pen = ImageDraw.Draw(self.picture)

    def gland(self, rng: np.random.Generator, centre: Array) -> None:
        """A lumen, cells around it, and a ring of nuclei."""
        radius = rng.uniform(0.28, 0.33)
        for outline, colour in ((radius, CYTOPLASM), (0.48 * radius, LUMEN)):
            self.scatter(rng, centre[None], (outline, outline), colour, irregular=0.06, shades=0)
        angles = np.arange(14) * 2 * np.pi / 14 + rng.uniform(0, 0.3)
        ring = 0.8 * radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        self.scatter(rng, centre + ring, (0.04, 0.05), NUCLEUS, irregular=0.08)

    def scatter(
        self, rng: np.random.Generator, places: Array, radii: tuple[float, float], colour: Colour, irregular: float, shades: float = 0.2
    ) -> None:
        """Blobs at places [N, 2] with two radii of the given range each, in any direction.

        `irregular` is the share by which outlines vary, `shades` the share by which colours do.
        """
        count = len(places)
        angles = np.arange(CORNERS) * (2 * np.pi / CORNERS)
        reach = (1 + irregular * rng.uniform(-1, 1, (count, CORNERS))) * np.exp(1j * angles)
        across, along = rng.uniform(*radii, (2, count, 1))
        # Points as complex numbers: an ellipse, turned.
        points = (across * reach.real + 1j * along * reach.imag) * np.exp(1j * rng.uniform(0, np.pi, (count, 1)))
        outlines = np.stack([points.real, points.imag], axis=2) + places[:, None]
        fills = np.array(colour) * (1 + shades * rng.uniform(-1, 1, (count, 1)))
        for outline, fill in zip(outlines, fills.clip(0, 255).astype(int).tolist(), strict=True):
            self.pen.polygon(corners(outline, self.side), fill=tuple(fill))

    def canvas(self) -> Array:
        """[S, S, 3] in [0, 1]."""
        return np.asarray(self.picture.reduce(SCALE), dtype=np.float32) / 255
