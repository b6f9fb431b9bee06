"""DICOM to pictures: frames, colours, the part that shows something, and pixels that are no squares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from concord.data.medical.images import Dicom
from concord.errors import DataError
from tests.data.medical.dicoms import colours, dicom_bytes

FRAMES = np.stack([np.full((4, 6), value, np.uint16) for value in (0, 50, 100, 150, 200)])


@pytest.mark.parametrize(("frame", "expected"), [("middle", 100), (0, 0), (4, 200), (0.0, 0), (0.3, 50), (1.0, 200)])
def test_the_frame_of_a_film_is_a_choice(frame: Any, expected: int) -> None:
    content = dicom_bytes(FRAMES, bits_stored=8)

    assert (Dicom(frame=frame, percentiles=None)(content) == expected).all()


def test_a_position_goes_before_the_choice_of_a_frame() -> None:
    content = dicom_bytes(FRAMES, bits_stored=8)

    assert (Dicom(frame="error", percentiles=None)(content, 0.75) == 150).all()
    assert (Dicom(frame="middle", percentiles=None)(content, 0.0) == 0).all()
    assert (Dicom(frame="middle", percentiles=None)(content, 1) == 200).all()
    with pytest.raises(DataError, match=r"must lie in \[0, 1\]"):
        Dicom()(content, 1.5)


def test_several_frames_can_be_refused() -> None:
    with pytest.raises(DataError, match="has 5 frames; choose with frame=middle"):
        Dicom(frame="error")(dicom_bytes(FRAMES))
    with pytest.raises(DataError, match="has 5 frames, and frame is 5, which counts from 0"):
        Dicom(frame=5)(dicom_bytes(FRAMES))
    assert Dicom(frame="error")(dicom_bytes()).shape == (36, 48)


def test_frames_of_colour() -> None:
    film = np.stack([colours(), 255 - colours(), colours() // 2])

    assert (Dicom(frame=1)(dicom_bytes(film, photometric="RGB")) == 255 - colours()).all()


def test_a_palette_gives_colours() -> None:
    palette = np.random.default_rng(0).integers(0, 256, (16, 3), np.uint8)
    places = (np.arange(48) % 16).astype(np.uint8).reshape(6, 8)

    narrow = Dicom()(dicom_bytes(places, photometric="PALETTE COLOR", palette=palette))
    wide = Dicom()(dicom_bytes(places.astype(np.uint16), photometric="PALETTE COLOR", palette=palette.astype(np.uint16) * 257))

    assert (narrow == palette[places]).all()
    assert (wide == palette[places]).all()


def test_luma_and_chroma_become_red_green_and_blue() -> None:
    """By the equations of part 3 of the standard, C.7.6.3.1.2."""
    red, green, blue = np.moveaxis(colours().astype(float), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    ybr = np.stack([luma, 128 + (blue - luma) / 1.772, 128 + (red - luma) / 1.402], axis=-1).round().clip(0, 255).astype(np.uint8)

    picture = Dicom()(dicom_bytes(ybr, photometric="YBR_FULL"))

    assert np.abs(picture.astype(int) - colours()).max() <= 2


def test_colours_of_16_bits_are_scaled() -> None:
    assert (Dicom()(dicom_bytes(colours().astype(np.uint16) * 257, photometric="RGB")) == colours()).all()
    assert (Dicom()(dicom_bytes(colours().astype(np.uint16) * 16, photometric="RGB", bits_stored=12))[0, 0] == [0, 0, 254]).all()


def test_colours_one_plane_after_the_other() -> None:
    planes = np.ascontiguousarray(np.moveaxis(colours(), -1, 0)).reshape(36, 48, 3)

    assert (Dicom()(dicom_bytes(planes, photometric="RGB", PlanarConfiguration=1)) == colours()).all()


@pytest.mark.parametrize("photometric", ["HSV", "CMYK", "YBR_PARTIAL_422"])
def test_retired_colour_spaces_are_refused(photometric: str) -> None:
    with pytest.raises(DataError):
        Dicom()(dicom_bytes(colours(), photometric=photometric))


@pytest.mark.parametrize(
    ("tags", "shape"),
    [
        ({"PixelAspectRatio": [2, 1]}, (72, 48)),
        ({"PixelAspectRatio": [1, 3]}, (36, 144)),
        ({"PixelSpacing": [0.5, 0.25]}, (72, 48)),
        ({"ImagerPixelSpacing": [0.1, 0.1005]}, (36, 48)),
        ({"PixelSpacing": [0.5, 0]}, (36, 48)),
    ],
)
def test_pixels_are_made_square(tags: dict[str, Any], shape: tuple[int, int]) -> None:
    picture = Dicom()(dicom_bytes(window=(2000, 4000), **tags))
    plain = Dicom(square=False)(dicom_bytes(window=(2000, 4000), **tags))

    assert picture.shape == shape
    assert plain.shape == (36, 48)
    assert abs(picture.mean() - plain.mean()) < 1


def test_square_pixels_stay_within_the_limit() -> None:
    with pytest.raises(DataError, match=r"square pixels .* raise max_pixels"):
        Dicom(max_pixels=2000)(dicom_bytes(PixelAspectRatio=[3, 1]))
    with pytest.raises(DataError, match="square pixels"):
        Dicom()(dicom_bytes(PixelAspectRatio=[2**31 - 1, 1]))


def test_ultrasound_regions_are_cut_out_when_asked() -> None:
    regions = Sequence([_region(5, 10, 20, 30), _region(12, 4, 40, 25)])
    content = dicom_bytes(colours(), photometric="RGB", SequenceOfUltrasoundRegions=regions)

    assert (Dicom(regions=True)(content) == colours()[4:31, 5:41]).all()
    assert (Dicom()(content) == colours()).all()
    assert (Dicom(regions=True)(dicom_bytes(colours(), photometric="RGB")) == colours()).all()
    with pytest.raises(DataError, match="outside of its picture"):
        Dicom(regions=True)(dicom_bytes(SequenceOfUltrasoundRegions=Sequence([_region(100, 100, 200, 200)])))


def _region(*corners: int) -> Dataset:
    item = Dataset()
    for name, value in zip(("MinX0", "MinY0", "MaxX1", "MaxY1"), corners, strict=True):
        setattr(item, f"RegionLocation{name}", value)
    return item
