"""MedicalDecoder: from the bytes of whatever file a medical data set keeps its pictures in to a picture."""

from __future__ import annotations

import zlib
from typing import Protocol

import numpy as np

from concord.data.medical.images.allowed import MAX_BYTES, is_dicom, unpacked
from concord.data.medical.images.dicom import Dicom
from concord.data.medical.images.nifti import Nifti
from concord.data.medical.images.volume import GZIP, is_nifti
from concord.errors import DataError
from concord.images import decode, decode_grey

DEEP_PNG = b"\x10\x00"
"""Of a PNG's header: 16 bits per sample, and grey."""


class Step(Protocol):
    """Makes one picture of another, such as the part of it that shows something."""

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [H, W] or [H, W, 3] to the same, of any size."""
        ...


class MedicalDecoder:
    """What a file is, is read from its content: names and endings do not count.

    JPEG, PNG and their like pass as they are, so that whoever needs a small picture decodes a small one, except where a step needs
    pixels. The 16 bits of a PNG are scaled, never cut off (see `concord.images`).

    Args:
        dicom: decodes DICOM; None refuses it.
        nifti: decodes NIfTI; None refuses it.
        steps: done with every picture, in this order.
        grey_max: the largest value of 16-bit grey PNGs that do not use all of 0..65535, such as 4095 for 12 bits.
        max_bytes: the most bytes that a gzipped file may unpack to; NIfTI has a limit of its own.
    """

    def __init__(
        self,
        dicom: Dicom | None = None,
        nifti: Nifti | None = None,
        steps: list[Step] | None = None,
        grey_max: int | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        if grey_max is not None and not 255 <= grey_max <= 65535:
            raise ValueError(f"grey_max must lie in 255..65535, got {grey_max}")
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, got {max_bytes}")
        self._dicom, self._nifti = dicom, nifti
        self._steps = steps or []
        self._grey_max = grey_max
        self._max_bytes = max_bytes

    def __call__(self, content: bytes, position: float | None = None) -> bytes | np.ndarray:
        """The picture of a file: uint8 [H, W] or [H, W, 3], or the bytes of a JPEG, PNG, ... as they are.

        Args:
            content: the file, as it is or gzipped.
            position: of a slice or a frame, as a share of the length in [0, 1]; None leaves the choice to the parts.

        Raises:
            DataError: for a file that is broken or too large; it names nothing of the file.
            MissingExtraError: without a package that the file's format needs.
        """
        picture = self._picture(content, position)
        if self._steps and isinstance(picture, bytes):
            picture = np.asarray(decode(picture))
        for step in self._steps:
            assert isinstance(picture, np.ndarray)
            picture = step(picture)
        return picture

    def _picture(self, content: bytes, position: float | None) -> bytes | np.ndarray:
        if is_nifti(content):
            if self._nifti is None:
                raise DataError("a NIfTI file, which this decoder does not read; see nifti in conf/decoder")
            return self._nifti(content, position)
        if content[:2] == GZIP:
            content = unpacked(content, zlib.MAX_WBITS | 16, self._max_bytes)
        if is_dicom(content, self._dicom is not None and self._dicom.force):
            if self._dicom is None:
                raise DataError("a DICOM file, which this decoder does not read; see dicom in conf/decoder")
            return self._dicom(content, position)
        if self._grey_max is not None and content[:4] == b"\x89PNG" and content[24:26] == DEEP_PNG:
            return decode_grey(content, self._grey_max)
        return content
