"""MedicalDecoder: files are known by their content, and every kind becomes the right picture."""

from __future__ import annotations

import gzip
import io
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from concord.data.medical.images import Dicom, MedicalDecoder, Nifti
from concord.errors import DataError
from concord.images import decode
from tests.data.medical.dicoms import colours, dicom_bytes, ramp


def picture_bytes(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def nifti_bytes() -> bytes:
    values = np.random.default_rng(0).integers(-1000, 1000, (8, 9, 10), np.int16)
    return nibabel.Nifti1Image(values, np.eye(4)).to_bytes()


def test_dicom_is_known_by_its_content_gzipped_or_not() -> None:
    decoder = MedicalDecoder(Dicom(), Nifti())

    plain, zipped = (decoder(content) for content in (dicom_bytes(), gzip.compress(dicom_bytes(), mtime=0)))

    assert (plain == Dicom()(dicom_bytes())).all()
    assert (plain == zipped).all()


def test_positions_reach_frames_and_slices() -> None:
    film = np.stack([np.full((4, 6), value, np.uint8) for value in (0, 60, 120)])
    decoder = MedicalDecoder(Dicom(percentiles=None), Nifti(window="whole"))

    assert [decoder(dicom_bytes(film), position).max() for position in (0.0, 0.5, 1.0, None)] == [0, 60, 120, 60]
    assert (decoder(nifti_bytes(), 0.25) == Nifti(window="whole")(nifti_bytes(), 0.25)).all()
    assert (decoder(nifti_bytes(), 0.25) != decoder(nifti_bytes(), 0.75)).any()
    assert (decoder(gzip.compress(nifti_bytes(), mtime=0), 0.25) == decoder(nifti_bytes(), 0.25)).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_pictures_pass_as_they_are(kind: str) -> None:
    content = picture_bytes(colours(), kind)

    assert MedicalDecoder(Dicom(force=True), Nifti())(content) is content


def test_gzipped_pictures_are_unpacked_up_to_a_limit() -> None:
    content = picture_bytes(colours())

    assert MedicalDecoder()(gzip.compress(content, mtime=0)) == content
    with pytest.raises(DataError, match="unpacks to more than the limit of 5000 bytes; raise max_bytes"):
        MedicalDecoder(max_bytes=5000)(gzip.compress(bytes(1_000_000), mtime=0))
    with pytest.raises(DataError, match="compressed file is broken"):
        MedicalDecoder()(gzip.compress(content, mtime=0)[:-30])
    with pytest.raises(DataError, match="compressed file is broken"):
        MedicalDecoder()(b"\x1f\x8b" + bytes(40))


def test_middle_grey_of_16_bits_stays_middle_grey() -> None:
    """Pillow's own conversion makes white of all above 255."""
    grey = np.array([[0, 32768, 65535]], dtype=np.uint16)

    picture = decode(MedicalDecoder()(picture_bytes(grey)))

    assert np.asarray(picture)[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]


def test_12_bits_in_a_16_bit_file_are_scaled_by_their_own_range() -> None:
    content = picture_bytes(ramp(high=4095))

    scaled = MedicalDecoder(grey_max=4095)(content)

    assert (scaled == (ramp(high=4095) / (4095 / 255)).round()).all()
    assert np.asarray(decode(content)).max() == 16
    assert MedicalDecoder(grey_max=4095)(picture_bytes(colours())) == picture_bytes(colours())
    assert MedicalDecoder(grey_max=4095)(picture_bytes(ramp(high=255, dtype=np.uint8))) == picture_bytes(ramp(high=255, dtype=np.uint8))


def test_steps_get_the_pixels_of_every_kind_one_after_another() -> None:
    seen: list[tuple[int, ...]] = []

    def cut(picture: np.ndarray) -> np.ndarray:
        seen.append(picture.shape)
        return picture[2:]

    decoder = MedicalDecoder(Dicom(), Nifti(), [cut, cut])

    assert (decoder(picture_bytes(colours())) == colours()[4:]).all()
    assert (decoder(dicom_bytes()) == Dicom()(dicom_bytes())[4:]).all()
    assert seen == [(36, 48, 3), (34, 48, 3), (36, 48), (34, 48)]


def test_kinds_without_a_part_are_refused() -> None:
    with pytest.raises(DataError, match="a DICOM file, which this decoder does not read"):
        MedicalDecoder(nifti=Nifti())(dicom_bytes())
    with pytest.raises(DataError, match="a NIfTI file, which this decoder does not read"):
        MedicalDecoder(dicom=Dicom())(nifti_bytes())


def test_dicom_without_a_start_passes_unless_it_is_forced() -> None:
    content = dicom_bytes(meta=False)

    assert MedicalDecoder(Dicom())(content) is content
    assert (MedicalDecoder(Dicom(force=True))(content) == Dicom()(dicom_bytes())).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"grey_max": 254}, "grey_max must lie in 255..65535, got 254"), ({"max_bytes": 0}, "max_bytes must be at least 1, got 0")],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MedicalDecoder(**options)
