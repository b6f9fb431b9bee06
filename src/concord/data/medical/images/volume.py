"""Volumes in NIfTI files: opened with limits, and cut along the axes of the patient."""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from concord.data.medical.images.allowed import unpacked
from concord.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image

Axis = Literal["sagittal", "coronal", "axial"]
"""What slices are called that cut across the axis to the patient's right, front and head, in this order."""

GZIP = b"\x1f\x8b"
HEADER = 540
"""Bytes of the longer of the two kinds of headers."""


@dataclass(frozen=True)
class Slice:
    """One slice as a radiologist looks at it.

    Attributes:
        values: float32 [rows, columns], the file's slope and intercept applied.
        spacing: distance between rows and between columns, in mm.
    """

    values: np.ndarray
    spacing: tuple[float, float]


class Volume:
    """A volume whose slices are asked for by the axes of the patient, however it is stored.

    Axes are brought to the nearest of RAS+ as nibabel's `as_closest_canonical` does it: x grows to the patient's right, y to the
    front, z to the head. Slices are shown by the radiological convention: in axial and coronal ones the patient's right is on the
    left of the picture; in sagittal ones the front is. Front of axial slices and head of the others are at the top.

    Args:
        image: as nibabel opened it.
        number: which volume of a series; None where there is but one.

    Raises:
        DataError: for a series without `number`, axes without a direction, and sides of no length.
    """

    def __init__(self, image: Nifti1Image, number: int | None = None) -> None:
        from nibabel.affines import voxel_sizes
        from nibabel.orientations import io_orientation

        self._image = image
        self._series = _series(image.shape, number)
        directions = io_orientation(image.affine)  # type: ignore[no-untyped-call]
        sizes = voxel_sizes(image.affine)  # type: ignore[no-untyped-call]
        if not (np.isfinite(directions).all() and np.isfinite(sizes).all() and (sizes > 0).all()):
            raise DataError("a NIfTI file does not say how its axes lie in the patient")
        self._stored = [int(np.flatnonzero(directions[:, 0] == axis)[0]) for axis in range(3)]  # by axis of the patient
        self._flipped = [directions[axis, 1] < 0 for axis in self._stored]
        self._sizes = [float(sizes[axis]) for axis in self._stored]

    def length(self, axis: Axis) -> int:
        """How many slices there are across an axis."""
        return int(self._image.shape[self._stored[_number(axis)]])

    def spacing(self, axis: Axis) -> tuple[float, float]:
        """Distance between rows and between columns of a slice, in mm."""
        columns, rows = (self._sizes[other] for other in range(3) if other != _number(axis))
        return rows, columns

    def slice(self, axis: Axis, index: int) -> Slice:
        """The slice at `index`, counted from the patient's left, back or feet.

        Raises:
            DataError: for values that are no plain numbers.
        """
        across = _number(axis)
        place: list[Any] = [slice(None), slice(None), slice(None), *self._series]
        place[self._stored[across]] = self.length(axis) - 1 - index if self._flipped[across] else index
        values = np.asarray(self._image.dataobj[tuple(place)])
        if values.dtype.kind not in "iuf":
            raise DataError("the values of a NIfTI file are no plain numbers, such as colours or complex ones")
        first, second = (other for other in range(3) if other != across)
        if self._stored[first] > self._stored[second]:
            values = values.T
        values = values[:: -1 if self._flipped[first] else 1, :: -1 if self._flipped[second] else 1]  # RAS+
        with np.errstate(over="ignore"):  # what float32 cannot hold is as good as infinite
            return Slice(np.nan_to_num(values.T[::-1, ::-1].astype(np.float32)), self.spacing(axis))

    def sample(self, most: int) -> np.ndarray:
        """Values of up to about `most` voxels, spread evenly over every slice across the patient's height: float32 [n]."""
        step = max(1, -(-int(np.prod(self._image.shape[:3])) // most))
        slices = (self.slice("axial", index).values.ravel()[index % step :: step] for index in range(self.length("axial")))
        return np.concatenate(list(slices))


def is_nifti(content: bytes) -> bool:
    """Whether these are the bytes of a NIfTI-1 or NIfTI-2 file in one piece, or of one within gzip."""
    if content[:2] == GZIP:
        try:
            content = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(content[: 1 << 16], HEADER)
        except zlib.error:
            return False
    return content[344:348] == b"n+1\0" or content[4:12] == b"n+2\0\r\n\x1a\n"


@lru_cache(maxsize=1)
def opened(content: bytes, max_bytes: int) -> Nifti1Image:
    """Open a file, whose values are then read slice by slice. The last one is kept: what follows is often its next slice.

    Raises:
        DataError: for a file that is broken, something else than NIfTI, or larger than the limit.
        MissingExtraError: without nibabel.
    """
    nibabel = _nibabel()
    if not is_nifti(content):
        raise DataError("not a NIfTI file; .nii and .nii.gz in one piece are read, pairs of .hdr and .img are not")
    if content[:2] == GZIP:
        content = unpacked(content, 16 + zlib.MAX_WBITS, max_bytes)
    kind = nibabel.Nifti1Image if content[344:348] == b"n+1\0" else nibabel.Nifti2Image
    try:
        image: Nifti1Image = kind.from_bytes(content)
        cells = int(np.prod(image.shape, dtype=object)) * image.header["bitpix"].item() // 8
        start = int(image.dataobj.offset)  # type: ignore[attr-defined]
    except Exception as error:  # nibabel meets broken bytes with errors of every class, whose words come from the file
        raise DataError(f"a NIfTI file is broken ({type(error).__name__})") from None
    if cells > max_bytes:
        raise DataError(f"a NIfTI file holds {cells} bytes of values, more than the limit of {max_bytes}; raise max_bytes")
    if not 0 <= start <= len(content) - cells:
        raise DataError("a NIfTI file is broken: its end is missing")
    return image


def _number(axis: Axis) -> int:
    return get_args(Axis).index(axis)


def _series(shape: tuple[int, ...], number: int | None) -> tuple[int, ...]:
    """Where the volume stands behind the three axes of the patient."""
    if len(shape) < 3 or min(shape) < 1:
        raise DataError(f"a NIfTI file must hold a volume of three axes, got {list(shape)}")
    count = int(np.prod(shape[3:]))
    if count > 1 and number is None:
        raise DataError(f"a NIfTI file holds {count} volumes; say which with volume=0, counted from 0")
    if number is not None and number >= count:
        raise DataError(f"a NIfTI file holds {count} volumes, and volume is {number}, which counts from 0")
    return tuple(map(int, np.unravel_index(number or 0, shape[3:]))) if shape[3:] else ()


def _nibabel() -> Any:
    try:
        import nibabel
    except ModuleNotFoundError:
        raise MissingExtraError("nibabel", "medical") from None
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)  # it repeats what headers say
    return nibabel
