"""What is read of a DICOM file, and that nothing else of it is told to anyone."""

from __future__ import annotations

import io
import logging
import sys
import traceback
import warnings
from functools import cache
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from concord.data.medical.images import Dicom, Header, header
from concord.data.medical.images.allowed import ALLOWED, carefully, numbers, opened
from concord.errors import DataError, MissingExtraError
from tests.data.medical.dicoms import PLANTED, UIDS, dicom_bytes, ramp

FORBIDDEN = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientBirthTime", "OtherPatientIDs", "OtherPatientNames"),
    *("PatientBirthName", "PatientAddress", "PatientTelephoneNumbers", "EthnicGroup", "Occupation", "AdditionalPatientHistory"),
    *("PatientComments", "PatientAge", "PatientSex", "AccessionNumber", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"),
    *("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime", "InstitutionName", "InstitutionAddress", "ReferringPhysicianName"),
    *("StationName", "StudyDescription", "SeriesDescription", "InstitutionalDepartmentName", "PhysiciansOfRecord"),
    *("PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "OperatorsName", "AdmittingDiagnosesDescription", "SOPInstanceUID"),
    *("ReferencedSOPInstanceUID", "DeviceSerialNumber", "ProtocolName", "StudyInstanceUID", "SeriesInstanceUID", "StudyID"),
    *("FrameOfReferenceUID", "ImageComments", "RequestingPhysician", "RequestedProcedureDescription", "RequestAttributesSequence"),
    *("PerformedProcedureStepStartDate", "ContentSequence", "OverlayData"),
)
"""Of section 11 of the fact sheet of de-identification."""

SYNTAXES = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian)


def test_nothing_that_identifies_is_allowed() -> None:
    tags = {tag_for_keyword(keyword) for keyword in ALLOWED}

    assert None not in tags
    assert not tags & {tag_for_keyword(keyword) for keyword in FORBIDDEN}
    assert {tag >> 16 for tag in tags} <= {0x0008, 0x0012, 0x0018, 0x0020, 0x0028, 0x5200, 0x7FE0}
    types = {dictionary_VR(tag) for tag in tags}
    assert not types & {"PN", "DA", "TM", "DT", "LO", "LT", "SH", "ST", "UC", "UT", "UI", "AE", "AS"}


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_only_what_is_allowed_is_read(syntax: uid.UID) -> None:
    item = Dataset()
    item.PatientName = f"{PLANTED}^Nested"
    content = dicom_bytes(transfer_syntax=syntax, ContentSequence=Sequence([item]), ViewPosition="PA", SpecificCharacterSet="ISO_IR 100")

    dataset = carefully(lambda: opened(content)).dataset

    assert {element.keyword for element in dataset} <= set(ALLOWED)
    assert dataset.ViewPosition == "PA"
    assert PLANTED not in str(dataset)
    assert not hasattr(dataset, "file_meta")


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_numbers_are_those_that_pydicom_reads(syntax: uid.UID) -> None:
    written = {"RescaleSlope": "1.5e-1 ", "RescaleIntercept": -1024, "WindowCenter": ["40", " -600.25", "+3E2"], "WindowWidth": [1, 2]}
    binary = {"PixelPaddingValue": 63536, "PixelAspectRatio": [3, 2], "NumberOfFrames": 1, "ImagerPixelSpacing": None}
    content = dicom_bytes(transfer_syntax=syntax, **written, **binary)
    dataset, plain = carefully(lambda: opened(content)).dataset, pydicom.dcmread(io.BytesIO(content))

    for keyword in (*written, *binary, "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        expected = np.atleast_1d(plain[keyword].value if keyword in plain else []).astype(float).tolist()
        assert list(numbers(dataset, keyword)) == expected, keyword
        assert dataset.get(keyword) is None or list(numbers(dataset, keyword)) == expected  # pydicom has read it now
    assert numbers(dataset, "PixelPaddingRangeLimit") == ()


@pytest.mark.parametrize("text", [b"1\\\\2", b"1,5 ", b"nan ", b"1e999 "])
def test_numbers_that_are_none_are_refused(text: bytes) -> None:
    content = dicom_bytes(window=("123456", "1")).replace(b"123456", text.ljust(6))

    with pytest.raises(DataError, match="broken"):
        carefully(lambda: numbers(opened(content).dataset, "WindowCenter"))


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of codes in small letters
def test_the_header_has_codes_and_sizes_alone() -> None:
    content = dicom_bytes(
        Modality="DX",
        ViewPosition="ll",
        Laterality="L",
        ImageLaterality="R",
        BodyPartExamined="CHEST",
        NumberOfFrames=1,
        ImagerPixelSpacing=[0.2, 0.1],
        BurnedInAnnotation="NO",
        RecognizableVisualFeatures="YES",
    )

    assert header(content) == Header("DX", "LL", "R", "CHEST", 36, 48, 1, (0.2, 0.1), False, True, True)
    assert header(dicom_bytes(PatientIdentityRemoved=None, Modality=None)) == Header(rows=36, columns=48)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_code_is_not_in_the_header() -> None:
    """A technician typed something else into the field."""
    found = header(dicom_bytes(BodyPartExamined=f"chest of Mr. {PLANTED}!", ViewPosition="1901-02-03, PA & LAT, 12:30"))

    assert found.body_part == ""
    assert found.view == ""


def test_the_header_of_something_else_is_refused() -> None:
    with pytest.raises(DataError, match="not a DICOM file; files without its first 132 bytes are read with force=true"):
        header(b"\x89PNG" + bytes(200))
    assert header(dicom_bytes(meta=False), force=True).rows == 36


BROKEN: dict[str, Any] = {
    "window": {"WindowCenter": PLANTED, "WindowWidth": PLANTED},
    "photometric": {"PhotometricInterpretation": PLANTED.upper()},
    "frames": {"NumberOfFrames": PLANTED},
    "function": {"window": (5, 5), "VOILUTFunction": PLANTED.upper()},
    "modality": {"RescaleSlope": PLANTED, "RescaleIntercept": PLANTED},
    "short": {"PixelData": b"\0\0"},
    "infinite": {"WindowCenter": "inf", "WindowWidth": "nan"},
}


@pytest.mark.parametrize("broken", sorted(BROKEN))
def test_errors_say_nothing_of_the_file(broken: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture) -> None:
    content = _written(BROKEN[broken])

    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(DataError) as failure:
            Dicom()(content)

    told = "".join(traceback.format_exception(failure.value)) + caplog.text + "".join(capfd.readouterr())
    assert PLANTED.lower() not in told.lower()
    assert UIDS not in told
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None
    assert not caught
    assert "\n" not in str(failure.value)


def _written(tags: dict[str, Any]) -> bytes:
    """Values that pydicom would not take are put into the bytes, in the place of ones as long."""
    texts = {key: value for key, value in tags.items() if isinstance(value, str) and key not in ("VOILUTFunction",)}
    numbers = {"WindowCenter", "WindowWidth", "NumberOfFrames", "RescaleSlope", "RescaleIntercept"} & texts.keys()
    content = dicom_bytes(**{**tags, **{key: "1" * len(texts[key]) for key in numbers}})
    for key in numbers:
        place = content.index(tag_for_keyword(key).to_bytes(4)[1::-1] + tag_for_keyword(key).to_bytes(4)[:1:-1]) + 8
        content = content[:place] + texts[key].encode() + content[place + len(texts[key]) :]
    return content


@settings(max_examples=150, deadline=None)
@given(kept=st.floats(0, 1), syntax=st.sampled_from([*SYNTAXES, uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless]))
def test_of_files_whose_end_is_missing_nothing_comes_but_data_errors(kept: float, syntax: uid.UID) -> None:
    content = _ramp(syntax)

    _decodes_or_refuses(content[: int(kept * len(content))])


@settings(max_examples=300, deadline=None)
@given(
    syntax=st.sampled_from([*SYNTAXES, uid.RLELossless, uid.JPEGLSLossless, uid.JPEGBaseline8Bit]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_of_files_with_changed_bytes_nothing_comes_but_data_errors(syntax: uid.UID, changes: list[tuple[float, int]]) -> None:
    content = bytearray(_ramp(syntax))
    for place, value in changes:
        content[132 + int(place * (len(content) - 132))] = value

    _decodes_or_refuses(bytes(content))


@settings(max_examples=150, deadline=None)
@given(noise=st.binary(max_size=400))
def test_of_random_bytes_nothing_comes_but_data_errors(noise: bytes) -> None:
    for content in (noise, bytes(128) + b"DICM" + noise, _ramp(uid.ExplicitVRLittleEndian)[:500] + noise):
        _decodes_or_refuses(content)


@cache
def _ramp(syntax: uid.UID) -> bytes:
    return dicom_bytes(ramp(high=255, dtype=np.uint8), transfer_syntax=syntax, window=(100, 50), slope=1, intercept=0)


def _decodes_or_refuses(content: bytes) -> None:
    try:
        picture = Dicom(force=True, allow_unverified_phi=True, max_pixels=100_000)(content)
    except DataError:
        return
    assert picture.dtype == np.uint8
    assert picture.shape[2:] in ((), (3,))


def test_without_pydicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)

    with pytest.raises(MissingExtraError, match=r"pydicom is not installed; install it with: pip install 'concord\[medical\]'"):
        header(b"")
