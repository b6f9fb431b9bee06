"""Enhanced files: each frame is shown as pydicom shows a file of that frame alone, with its rescale and window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from concord.data.medical.images import Dicom
from concord.data.medical.images.allowed import carefully, opened
from concord.data.medical.images.functional_groups import take_frame
from concord.errors import DataError
from tests.data.medical.dicoms import PLANTED, dicom_bytes, ramp
from tests.data.medical.images.plain import plain_picture

FILM = np.stack([ramp(dtype=np.int16) // (index + 1) for index in range(3)])
RESCALES = ((1, -1024), (0.5, -200), (2, 10.25))
WINDOWS = ((40, 400), ([60, -600], [80, 1500]), (300, 1500))
FUNCTIONS = (None, "LINEAR_EXACT", "SIGMOID")

SYNTAXES = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.RLELossless)


def item(**elements: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in elements.items():
        if value is not None:
            setattr(dataset, keyword, Sequence([value]) if isinstance(value, Dataset) else value)
    return dataset


def rescaled(index: int) -> Dataset:
    slope, intercept = RESCALES[index]
    return item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")


def windowed(index: int) -> Dataset:
    centre, width = WINDOWS[index]
    return item(WindowCenter=centre, WindowWidth=width, VOILUTFunction=FUNCTIONS[index])


def enhanced(shared: Dataset, own: list[Dataset], **tags: Any) -> bytes:
    sequences = {"SharedFunctionalGroupsSequence": Sequence([shared]), "PerFrameFunctionalGroupsSequence": Sequence(own)}
    return dicom_bytes(FILM, bits_stored=16, **{**sequences, **tags})


def alone(index: int, rescale: int, window: int) -> bytes:
    """The frame in a file of its own."""
    slope, intercept = RESCALES[rescale]
    function = {"VOILUTFunction": FUNCTIONS[window]} if FUNCTIONS[window] else {}
    return dicom_bytes(FILM[index], bits_stored=16, slope=slope, intercept=intercept, window=WINDOWS[window], **function)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_each_frame_has_its_own_rescale_and_window(syntax: uid.UID) -> None:
    own = [item(PixelValueTransformationSequence=rescaled(index), FrameVOILUTSequence=windowed(index)) for index in range(3)]
    content = enhanced(Dataset(), own, transfer_syntax=syntax)

    for index in range(3):
        assert (Dicom(frame=index)(content) == plain_picture(alone(index, index, index))).all()


def test_what_all_frames_share_is_read_and_goes_before_what_the_file_says() -> None:
    shared = item(PixelValueTransformationSequence=rescaled(1))
    own = [item(FrameVOILUTSequence=windowed(index)) for index in (0, 1, 0)]
    said = {"RescaleSlope": 7, "RescaleIntercept": 7, "WindowCenter": 7, "WindowWidth": 7, "VOILUTFunction": "SIGMOID"}

    picture = Dicom(frame=2)(enhanced(shared, own, **said))

    assert (picture == plain_picture(alone(2, 1, 0))).all()  # LINEAR, as its group names no function


def test_windows_in_hounsfield_units_take_the_rescale_of_the_frame() -> None:
    own = [item(PixelValueTransformationSequence=rescaled(index)) for index in range(3)]

    for index in range(3):
        expected = Dicom(window="lung")(alone(index, index, 0))
        assert (Dicom(frame=index, window="lung")(enhanced(Dataset(), own)) == expected).all()


def test_pixels_are_squared_by_the_spacing_of_the_frame() -> None:
    shared = item(PixelMeasuresSequence=item(PixelSpacing=[2, 1]))

    assert Dicom(frame=0)(enhanced(shared, [Dataset()] * 3)).shape == (72, 48)


def test_a_frame_without_groups_is_refused() -> None:
    with pytest.raises(DataError, match="fewer functional groups than frames"):
        Dicom(frame=2)(enhanced(Dataset(), [Dataset(), Dataset()]))


def test_nothing_else_of_the_groups_is_kept() -> None:
    content = item(FrameComments=f"{PLANTED} frame", FrameAcquisitionDateTime="19040506010203")
    own = [item(FrameContentSequence=content, FrameVOILUTSequence=windowed(index)) for index in range(3)]
    own[1].FrameVOILUTSequence[0].WindowCenterWidthExplanation = PLANTED
    dataset = carefully(lambda: opened(enhanced(item(FrameContentSequence=content), own))).dataset

    carefully(lambda: take_frame(dataset, 1))

    assert dataset.WindowCenter == [60, -600]
    assert PLANTED not in str(dataset)
    assert "FrameContent" not in str(dataset)
