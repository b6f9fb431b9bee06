"""Cells of frames: those that are found without pydicom's decoders equal what these give."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import uid

from concord.data.medical.images.allowed import carefully, opened
from concord.data.medical.images.frames import read_frame
from concord.errors import DataError
from tests.data.medical.dicoms import dicom_bytes

NATIVE = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian)


@pytest.mark.parametrize(
    ("syntax", "dtype"),
    [
        *((syntax, dtype) for syntax in NATIVE for dtype in (np.uint8, np.uint16, np.int16, np.uint32)),
        *((uid.RLELossless, dtype) for dtype in (np.uint8, np.uint16, np.int16)),  # of 32 bits pydicom writes none
    ],
)
@pytest.mark.parametrize("shape", [(7, 9), (3, 7, 9)])
def test_cells_are_those_that_pydicom_gives(syntax: uid.UID, dtype: Any, shape: tuple[int, ...]) -> None:
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    content = dicom_bytes(np.random.default_rng(0).integers(low, high, shape, dtype), transfer_syntax=syntax)
    stored = pydicom.dcmread(io.BytesIO(content)).pixel_array.reshape(-1, 7, 9)

    for index, expected in enumerate(stored):
        cells, photometric = carefully(lambda index=index: read_frame(opened(content), index))
        assert (cells.astype(cells.dtype.newbyteorder("=")).view(dtype) == expected).all()
        assert photometric == "MONOCHROME2"


@pytest.mark.parametrize("syntax", NATIVE[:3], ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("lost", [2, 60])
def test_pixels_that_are_not_all_there_are_refused(syntax: uid.UID, lost: int) -> None:
    pixels = np.zeros((6, 8), np.uint16)
    cut = dicom_bytes(pixels, transfer_syntax=syntax)[:-lost]
    short = dicom_bytes(pixels, transfer_syntax=syntax, PixelData=pixels.tobytes()[:-lost])

    for content in (cut, short):
        with pytest.raises(DataError, match="broken or its end is missing"):
            carefully(lambda content=content: read_frame(opened(content), 0))


def test_runs_that_do_not_fill_the_frame_are_refused() -> None:
    content = dicom_bytes(np.zeros((6, 8), np.uint16), transfer_syntax=uid.RLELossless, Rows=60)

    with pytest.raises(DataError, match="broken or its end is missing"):
        carefully(lambda: read_frame(opened(content), 0))
