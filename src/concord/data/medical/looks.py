"""What a picture looks like however it is turned or mirrored, to find the copies that augmentation made of one original.

A perceptual hash such as pHash changes with every turn. Here a picture is read along circles around its middle: a turn shifts what
is read, a mirror reverses it, and the magnitudes of its Fourier transform along the circle stay. A turned copy without empty
corners shows less of the original, so that pictures are compared at several zooms.

Dimensions: N pictures, Z zooms, D numbers each.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from concord.images import Encoded
from concord.types import RawImage

Floats = NDArray[np.float32]

SIDE = 96
"""Pixels that a picture is shrunk to; what is finer changes with compression."""
SMOOTH = 1.0
"""Width of the blur in these pixels, against steps between them."""
RINGS, STEPS, ORDERS = 10, 64, 5
"""Circles, places on each, and the lowest orders of the Fourier transform that are kept."""
ZOOMS = np.geomspace(1, 1.34, 8)
"""Up to what remains of a square that is turned by 25 degrees and cut upright."""

TILE = 1024
"""Pictures that are compared with all others at a time."""


def look_of(image: RawImage) -> Floats:
    """[Z, D] of a picture.

    Raises:
        DataError: where it cannot be decoded.
    """
    encoded = Encoded(image)
    picture = encoded.decode(max(1, min(encoded.size) // SIDE)).picture.resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = gaussian_filter(np.asarray(picture, dtype=np.float32) / 255, (SMOOTH, SMOOTH, 0))
    read = np.stack([map_coordinates(pixels[..., channel], _circles(), order=1) for channel in range(3)])
    spectrum = np.abs(np.fft.rfft(read, axis=-1))[..., :ORDERS] / STEPS  # [3, Z, RINGS, ORDERS]
    return spectrum.swapaxes(0, 1).reshape(len(ZOOMS), -1).astype(np.float32)


def alike(looks: Floats, distance: float) -> NDArray[np.int64]:
    """The group of each picture, [N] from 0: those that are alike, and those alike to them, and so on.

    Args:
        looks: [N, Z, D].
        distance: above 0; two pictures are alike where, at some zoom of one, their root mean squared difference is at most this,
            each of the D numbers being counted in its standard deviations over all pictures.
    """
    scale = np.maximum(looks[:, 0].std(axis=0), 1e-6)
    standard = (looks - looks[:, 0].mean(axis=0)) / scale
    limit = distance**2 * looks.shape[2]
    norms = (standard**2).sum(axis=2)  # [N, Z]
    first, second = [], []
    for start in range(0, len(looks), TILE):
        rows = slice(start, start + TILE)
        near = np.zeros((len(standard[rows]), len(looks)), dtype=bool)
        for zoom in range(looks.shape[1]):
            near |= norms[rows, :1] + norms[None, :, zoom] - 2 * standard[rows, 0] @ standard[:, zoom].T <= limit
        own, others = near.nonzero()
        first.append(own + start)
        second.append(others)
    ends = np.concatenate(first), np.concatenate(second)
    return connected_components(coo_array((np.ones(len(ends[0]), dtype=bool), ends), (len(looks), len(looks))), directed=False)[1]  # type: ignore[no-any-return]


@cache
def _circles() -> NDArray[np.float64]:
    """Rows and columns of the places that are read, [2, Z, RINGS, STEPS]."""
    radii = (np.arange(RINGS) + 0.5) / RINGS * 0.98 * SIDE / 2
    radii = radii / ZOOMS[:, None]
    angles = np.arange(STEPS) / STEPS * 2 * np.pi
    middle = (SIDE - 1) / 2
    return middle + radii[None, :, :, None] * np.stack([np.sin(angles), np.cos(angles)])[:, None, None]
