"""DICOM files that are refused: for what they may show, their size, or what they cannot mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian

from concord.data.medical.images import Dicom
from concord.errors import DataError
from tests.data.medical.dicoms import dicom_bytes


@pytest.mark.parametrize(
    ("tags", "options", "read"),
    [
        ({}, {}, True),
        ({"PatientIdentityRemoved": None}, {}, False),
        ({"PatientIdentityRemoved": None}, {"deidentified": True}, True),
        ({"PatientIdentityRemoved": "NO"}, {"deidentified": True}, False),
        ({"PatientIdentityRemoved": "NO"}, {"allow_unverified_phi": True}, True),
        ({"BurnedInAnnotation": "NO"}, {}, True),
        ({"BurnedInAnnotation": "YES"}, {"deidentified": True}, False),
        ({"BurnedInAnnotation": "YES"}, {"allow_unverified_phi": True}, True),
    ],
)
def test_files_that_may_show_who_it_is_are_refused(tags: dict[str, Any], options: dict[str, bool], read: bool) -> None:
    if read:
        assert Dicom(**options)(dicom_bytes(**tags)).shape == (36, 48)
    else:
        with pytest.raises(DataError, match=r"\((BurnedInAnnotation|PatientIdentityRemoved)\)"):
            Dicom(**options)(dicom_bytes(**tags))


def test_files_without_a_start_are_read_only_when_asked() -> None:
    for content in (dicom_bytes(meta=False), dicom_bytes(meta=False, transfer_syntax=ExplicitVRBigEndian), dicom_bytes()[132:]):
        with pytest.raises(DataError, match="force=true"):
            Dicom()(content)

        assert (Dicom(force=True)(content) == Dicom()(dicom_bytes())).all()


def test_pictures_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(DataError, match="image of 48 x 36 pixels is larger than the limit of 1000"):
        Dicom(max_pixels=1000)(dicom_bytes())
    with pytest.raises(DataError, match="image of 65535 x 65535 pixels is larger"):
        Dicom()(dicom_bytes(Rows=65535, Columns=65535))
    with pytest.raises(DataError, match="must have pixels"):
        Dicom()(dicom_bytes(Rows=0))


def test_files_without_a_picture_are_told() -> None:
    with pytest.raises(DataError, match=r"holds no picture$"):
        Dicom()(dicom_bytes(Rows=None, PixelData=None))
    with pytest.raises(DataError, match=r"holds no picture$"):
        Dicom()(dicom_bytes(PixelData=None))
    with pytest.raises(DataError, match="no integers"):
        Dicom()(dicom_bytes(PixelData=None, FloatPixelData=np.zeros((36, 48), np.float32).tobytes()))


@pytest.mark.parametrize(
    ("tags", "cause"),
    [
        ({"slope": 0, "intercept": 3}, "slope of a DICOM file is 0"),
        ({"window": (100, 0)}, "too narrow"),
        ({"HighBit": 3}, "high bit"),
        ({"BitsStored": 0}, "1 to 32 bits"),
        ({"voi_lut": (0, 20, np.arange(9))}, "8 to 16 bits"),
    ],
)
def test_what_a_file_cannot_mean_is_refused(tags: dict[str, Any], cause: str) -> None:
    with pytest.raises(DataError, match=cause):
        Dicom()(dicom_bytes(**tags))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frame": "first"}, "frame must be middle, error, a place from 0 on, or a share"),
        ({"frame": -1}, "frame must be"),
        ({"frame": 1.5}, "frame must be"),
        ({"frame": True}, "frame must be"),
        ({"voi_index": -1}, "voi_index must be at least 0, got -1"),
        ({"percentiles": (99, 1)}, r"percentiles must rise within 0..100, got \[99, 1\]"),
        ({"max_pixels": 0}, "max_pixels must be at least 1, got 0"),
        ({"max_bytes": 0}, "max_bytes must be at least 1, got 0"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dicom(**options)
