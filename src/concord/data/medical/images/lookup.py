"""From the integers that a DICOM file stores to grey values: modality transform, window, scaling and inversion.

The order is that of part 3 of the standard, C.11; the operations are those of pydicom's `apply_modality_lut` and `apply_voi_lut`,
in float64 and one after another as there, so that the result is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from concord.errors import DataError

TABLES = 64
"""How many tables are kept, of at most 64 KiB each."""

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True)
class Cells:
    """How one integer lies in memory.

    Attributes:
        allocated: bits of a cell.
        stored: bits of the value.
        shift: unused bits below the value.
        signed: whether the value has a sign, in two's complement.
        masked: whether the bits around the value may be anything, such as overlays of old files.
    """

    allocated: int
    stored: int
    shift: int = 0
    signed: bool = False
    masked: bool = True

    @property
    def range(self) -> tuple[int, int]:
        """The least and the largest value."""
        return (-(1 << self.stored - 1), (1 << self.stored - 1) - 1) if self.signed else (0, (1 << self.stored) - 1)

    def values(self, cells: np.ndarray) -> np.ndarray:
        """The values of unsigned cells, int64 of the same shape."""
        bits = self.stored if self.masked else self.allocated
        values = cells.astype(np.int64) >> self.shift & (1 << bits) - 1
        return np.where(values >> bits - 1, values - (1 << bits), values) if self.signed else values


@dataclass(frozen=True)
class Rescale:
    """A straight line to the values of the modality, such as Hounsfield units."""

    slope: float
    intercept: float

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return values.astype(np.float64) * self.slope + self.intercept

    def range(self, low: float, high: float) -> tuple[float, float]:
        return low * self.slope + self.intercept, high * self.slope + self.intercept


@dataclass(frozen=True)
class Table:
    """A lookup table of a file, for values from `first` on; those beyond its ends get the entry at the end.

    Attributes:
        bits: of the largest entry that there can be.
        entries: uint16, little endian.
    """

    first: int
    bits: int
    entries: bytes

    def __call__(self, values: np.ndarray) -> np.ndarray:
        entries = np.frombuffer(self.entries, "<u2")
        return entries[(values - self.first).clip(0, len(entries) - 1).astype(np.int64)].astype(np.float64)

    def range(self, low: float, high: float) -> tuple[float, float]:
        return 0, (1 << self.bits) - 1


@dataclass(frozen=True)
class Window:
    """Values around `centre` over the whole range of the output (C.11.2.1.2 and C.11.2.1.3)."""

    centre: float
    width: float
    function: Function = "LINEAR"

    def __post_init__(self) -> None:
        least = "at least 1" if self.function == "LINEAR" else "above 0"
        if not (self.width >= 1 if self.function == "LINEAR" else self.width > 0):
            raise DataError(f"the window of a DICOM file is too narrow: the width of a {self.function} one must be {least}")

    def __call__(self, values: np.ndarray, low: float, high: float) -> np.ndarray:
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                return (high - low) / (1 + np.exp(-4 * (values - self.centre) / self.width)) + low
        half = 1 if self.function == "LINEAR" else 0
        centre, width = self.centre - 0.5 * half, self.width - half
        with np.errstate(divide="ignore", invalid="ignore"):  # of a step, a width of 0, nothing lies between
            between = ((values - centre) / width + 0.5) * (high - low) + low
        return np.where(values <= centre - width / 2, low, np.where(values > centre + width / 2, high, between))


@dataclass(frozen=True)
class Stretch:
    """Values from `low` to `high` over the whole output."""

    low: float
    high: float


@dataclass(frozen=True)
class Percentiles:
    """What a `Stretch` is made of, for files that say nothing of how they are to be seen.

    Attributes:
        low, high: percentiles in [0, 100]: order statistics, rounded outwards.
        padding: least and largest stored value that is no part of the picture.
    """

    low: float
    high: float
    padding: tuple[int, int] | None = None


@dataclass(frozen=True)
class Rendering:
    """All that makes grey values of cells.

    Attributes:
        voi: None shows the whole range that values can have.
        inverted: whether low values are white (MONOCHROME1).
    """

    cells: Cells
    modality: Rescale | Table | None = None
    voi: Window | Table | Stretch | Percentiles | None = None
    inverted: bool = False


def render(cells: np.ndarray, rendering: Rendering) -> np.ndarray:
    """The picture, uint8 of the same shape. Cells of 8 and 16 bits are looked up in a table of all their values.

    Args:
        cells: unsigned integers.

    Raises:
        DataError: where percentiles are asked for and all is padding.
    """
    table_of: Callable[[Rendering], np.ndarray] = _kept
    if isinstance(rendering.voi, Percentiles):
        rendering = replace(rendering, voi=_stretch(cells, rendering, rendering.voi))
        table_of = _of_all_cells  # what is of one picture would push out others that come again
    if cells.dtype.itemsize > 2:
        return shown(rendering.cells.values(cells), rendering)
    # Arrow takes indices of 8 and 16 bits as they are; NumPy makes 64 bits of them first.
    looked_up = pc.take(pa.array(table_of(rendering)), pa.array(cells.reshape(-1)), boundscheck=False)
    return looked_up.to_numpy().reshape(cells.shape)


def shown(values: np.ndarray, rendering: Rendering) -> np.ndarray:
    """Grey values of stored values one by one, uint8 of the same shape: the slow way, and what the tables are made by."""
    values, (low, high) = _of_modality(values, rendering)
    voi = rendering.voi
    if isinstance(voi, Window):
        values = voi(values, low, high)
    elif isinstance(voi, Table):
        values, (low, high) = voi(values), voi.range(low, high)
    else:
        low, high = (voi.low, voi.high) if isinstance(voi, Stretch) else sorted((low, high))
        values = np.clip(values, low, high)
    grey = _scaled(values, low, high)
    return 255 - grey if rendering.inverted else grey


def _of_modality(values: np.ndarray, rendering: Rendering) -> tuple[np.ndarray, tuple[float, float]]:
    """Values after the modality transform, and the range they can have, which a negative slope turns round."""
    if rendering.modality is None:
        return values.astype(np.float64), rendering.cells.range
    return rendering.modality(values), rendering.modality.range(*rendering.cells.range)


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """By the known range, never by what one picture happens to hold."""
    if low == high:
        return np.zeros(values.shape, np.uint8)
    return ((values - low) / (high - low) * 255).round().astype(np.uint8)


def _of_all_cells(rendering: Rendering) -> np.ndarray:
    """Of every cell that there can be, uint8 [256 or 65,536]."""
    cells = rendering.cells
    return shown(cells.values(np.arange(1 << (8 if cells.allocated <= 8 else 16))), rendering)


_kept = lru_cache(maxsize=TABLES)(_of_all_cells)


def _stretch(cells: np.ndarray, rendering: Rendering, percentiles: Percentiles) -> Stretch:
    """Between two percentiles of the values that are no padding."""
    if cells.dtype.itemsize > 2:
        stored, counts = np.unique(cells, return_counts=True)
    else:
        counts = np.bincount(cells.reshape(-1), minlength=1 << rendering.cells.allocated)
        stored = np.flatnonzero(counts)
        counts = counts[stored]
    stored = rendering.cells.values(stored)
    if percentiles.padding is not None:
        first, final = percentiles.padding
        kept = (stored < first) | (stored > final)
        stored, counts = stored[kept], counts[kept]
    if not len(stored):
        raise DataError("a DICOM file holds nothing but padding")
    values, _ = _of_modality(stored, rendering)
    order = np.argsort(values, kind="stable")
    last = np.cumsum(counts[order]) - 1
    places = np.floor(percentiles.low / 100 * last[-1]), np.ceil(percentiles.high / 100 * last[-1])
    low, high = (float(values[order][np.searchsorted(last, place)]) for place in places)
    return Stretch(low, high)
