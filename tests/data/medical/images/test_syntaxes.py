"""Transfer syntaxes: each decodes, names what it lacks, and gives no more pixels than the file says."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import uid

from concord.data.medical.images import Dicom, syntaxes
from concord.data.medical.images.syntaxes import ENCODED, NATIVE, PREFIX, plugin_for
from concord.errors import DataError, MissingExtraError
from tests.data.medical.dicoms import colours, dicom_bytes, ramp
from tests.data.medical.images.lossless_jpeg import lossless_jpeg

LOSSLESS = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
)
SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
"""Files that are installed with pydicom."""


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_lossless_syntaxes_give_what_was_stored(syntax: uid.UID, dtype: Any) -> None:
    pixels = ramp(dtype=dtype) - (2048 if dtype == np.int16 else 0)
    stored = {"bits_stored": 12, "window": (np.median(pixels), 3000)}

    picture = Dicom()(dicom_bytes(pixels, transfer_syntax=syntax, **stored))

    assert (picture == Dicom()(dicom_bytes(pixels, **stored))).all()
    assert np.unique(picture).size > 200


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.name)
def test_lossless_syntaxes_give_colours_and_the_frame_that_is_asked_for(syntax: uid.UID) -> None:
    film = np.stack([colours(), 255 - colours(), colours() // 2])

    assert (Dicom(frame=2)(dicom_bytes(film, photometric="RGB", transfer_syntax=syntax)) == colours() // 2).all()


@pytest.mark.parametrize("syntax", [uid.JPEGLossless, uid.JPEGLosslessSV1], ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("bits", [12, 16])
def test_lossless_jpeg(syntax: uid.UID, bits: int) -> None:
    pixels = ramp(high=2**bits - 1)
    content = dicom_bytes(pixels, bits_stored=bits, transfer_syntax=syntax, encoded=[lossless_jpeg(pixels, bits)], window=(1500, 3000))

    assert (Dicom()(content) == Dicom()(dicom_bytes(pixels, bits_stored=bits, window=(1500, 3000)))).all()


@pytest.mark.parametrize(("syntax", "most"), [(uid.JPEGLSNearLossless, 2), (uid.JPEG2000, 12), (uid.JPEGBaseline8Bit, 4)])
def test_lossy_syntaxes_give_almost_what_was_stored(syntax: uid.UID, most: int) -> None:
    grey = ramp(high=255, dtype=np.uint8)
    picture = Dicom(percentiles=None)(dicom_bytes(grey, transfer_syntax=syntax))
    colour = Dicom()(dicom_bytes(colours(), photometric="RGB" if most != 4 else "YBR_FULL_422", transfer_syntax=syntax))

    assert np.abs(picture.astype(int) - grey).max() <= most
    assert np.abs(colour.astype(int) - colours()).mean() <= most


@pytest.mark.parametrize("name", ["JPGExtended", "SC_rgb_jpeg_dcmtk", "SC_rgb_gdcm_KY", "SC_ybr_full_422_uncompressed", "examples_jpeg2k"])
def test_files_that_other_programs_wrote(name: str) -> None:
    """12-bit JPEG, and colours in four encodings, beside pydicom with the same plugin."""
    content = (SHIPPED / f"{name}.dcm").read_bytes()
    ds = pydicom.dcmread(SHIPPED / f"{name}.dcm")
    ds.pixel_array_options(decoding_plugin=plugin_for(ds.file_meta.TransferSyntaxUID, ds.BitsAllocated))
    plain = ds.pixel_array.astype(float)

    picture = Dicom(percentiles=(0, 100) if plain.ndim == 2 else None, deidentified=True)(content)

    expected = plain if plain.ndim == 3 else (plain - plain.min()) / np.ptp(plain) * 255
    assert (picture == expected.round()).all()


def test_fragments_and_offset_tables_are_followed() -> None:
    """A frame in three fragments, found by the basic offset table."""
    film = np.stack([ramp(), ramp()[::-1]])
    ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(dicom_bytes(film, transfer_syntax=uid.JPEGLSLossless)))
    frames = list(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=2))
    ds.PixelData = pydicom.encaps.encapsulate(frames, fragments_per_frame=3)
    buffer = pydicom.filebase.DicomBytesIO()
    ds.save_as(buffer)

    assert (Dicom(frame=1, percentiles=None)(buffer.getvalue()) == Dicom(percentiles=None)(dicom_bytes(film[1]))).all()


@pytest.mark.parametrize("suffix", sorted(ENCODED))
def test_what_is_missing_is_named_with_the_syntax_and_the_extra(suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin, found = ENCODED[suffix], syntaxes.find_spec
    monkeypatch.setattr(syntaxes, "find_spec", lambda module: None if module == plugin.modules[-1] else found(module))

    with pytest.raises(MissingExtraError) as caught:
        plugin_for(PREFIX + suffix, 16)

    package, name, extra = plugin.package, uid.UID(PREFIX + suffix).name, plugin.extra
    expected = f"{package}, which decodes {name} of DICOM files, is not installed; install it with: pip install 'concord[{extra}]'"
    assert str(caught.value) == expected


def test_a_missing_plugin_reaches_whoever_reads_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntaxes, "find_spec", lambda module: None)

    with pytest.raises(MissingExtraError, match=r"pylibjpeg-openjpeg, which decodes JPEG 2000 .* 'concord\[medical\]'"):
        Dicom()(dicom_bytes(transfer_syntax=uid.JPEG2000Lossless))
    assert Dicom()(dicom_bytes()).shape == (36, 48)


def test_extended_jpeg_of_8_bits_needs_no_further_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntaxes, "find_spec", lambda module: None if module == "libjpeg" else module)

    assert plugin_for(uid.JPEGExtended12Bit, 8) == "pillow"
    with pytest.raises(MissingExtraError, match=r"medical_gpl"):
        plugin_for(uid.JPEGExtended12Bit, 16)


def test_pydicom_has_a_decoder_for_every_syntax_of_the_table() -> None:
    for suffix, plugin in ENCODED.items():
        assert plugin.name in pydicom.pixels.get_decoder(uid.UID(PREFIX + suffix)).available_plugins
    for suffix in NATIVE:
        assert pydicom.pixels.get_decoder(uid.UID(PREFIX + suffix)).is_native


@pytest.mark.parametrize(("syntax", "name"), [(uid.MPEG2MPML, "MPEG2"), (uid.UID("1.2.840.99999"), "a private one")])
def test_syntaxes_that_cannot_be_decoded_are_named(syntax: uid.UID, name: str) -> None:
    with pytest.raises(DataError, match=f"its transfer syntax is {name}"):
        Dicom()(dicom_bytes(encoded=[b"\0\0"], transfer_syntax=syntax))


def _larger_j2k(frame: bytes) -> bytes:
    return frame[:8] + struct.pack(">II", 60000, 60000) + frame[16:]


def _larger_jls(frame: bytes) -> bytes:
    place = frame.index(b"\xff\xf7") + 5
    return frame[:place] + struct.pack(">HH", 60000, 60000) + frame[place + 4 :]


def _boxed(frame: bytes) -> bytes:
    """In a JP2 file, behind a box that holds a decoy."""
    decoy = b"\xff\x4f\xff\x51\0\0\0\0" + struct.pack(">4I", 48, 36, 0, 0)
    boxes = (b"jP  ", b"\r\n\x87\n"), (b"ftyp", b"jp2 \0\0\0\0jp2 "), (b"uuid", decoy), (b"jp2c", _larger_j2k(frame))
    return b"".join((8 + len(body)).to_bytes(4) + name + body for name, body in boxes)


@pytest.mark.parametrize(
    ("syntax", "change"),
    [
        (uid.JPEG2000Lossless, _larger_j2k),
        (uid.JPEG2000Lossless, _boxed),
        (uid.JPEGLSLossless, _larger_jls),
        (uid.JPEG2000Lossless, gzip.compress),
    ],
)
def test_frames_that_unpack_to_more_than_the_file_says_are_not_decoded(
    syntax: uid.UID, change: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(dicom_bytes(transfer_syntax=syntax)))
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    monkeypatch.setattr(pydicom.pixels.decoders.base, "get_decoder", lambda uid: pytest.fail("it was decoded"))

    with pytest.raises(DataError, match="another size than it says"):
        Dicom()(dicom_bytes(transfer_syntax=syntax, encoded=[change(frame)]))


def test_jpeg_2000_in_a_jp2_file_is_decoded() -> None:
    ds = pydicom.dcmread(pydicom.filebase.DicomBytesIO(dicom_bytes(transfer_syntax=uid.JPEG2000Lossless)))
    frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
    colour = b"\x01\0\0\0\0\0\x11"  # enumerated, grey
    image = struct.pack(">IIHBBBB", 36, 48, 1, 11, 7, 0, 0)
    header = struct.pack(">I4s", 8 + len(image), b"ihdr") + image + struct.pack(">I4s", 8 + len(colour), b"colr") + colour
    boxes = (b"jP  ", b"\r\n\x87\n"), (b"ftyp", b"jp2 \0\0\0\0jp2 "), (b"jp2h", header), (b"jp2c", frame)
    boxed = b"".join((8 + len(body)).to_bytes(4) + name + body for name, body in boxes)

    picture = Dicom()(dicom_bytes(transfer_syntax=uid.JPEG2000Lossless, encoded=[boxed]))

    assert (picture == Dicom()(dicom_bytes())).all()


def test_deflated_files_are_unpacked_up_to_a_limit() -> None:
    content = dicom_bytes(np.zeros((500, 500), np.uint16), transfer_syntax=uid.DeflatedExplicitVRLittleEndian)

    assert Dicom(max_bytes=600_000)(content).shape == (500, 500)
    with pytest.raises(DataError, match="unpacks to more than the limit of 400000 bytes; raise max_bytes"):
        Dicom(max_bytes=400_000)(content)
    with pytest.raises(DataError, match="end is missing"):
        Dicom()(content[:-20])
