"""DICOM files for the tests, written by pydicom: pictures made here, and identifiers planted where files of hospitals have them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    UID,
    ComputedRadiographyImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLSNearLossless,
)

PLANTED = "Planted99999"
"""Part of every identifier below: what no output of a run may contain."""

IDENTIFIERS: dict[str, Any] = {
    "AccessionNumber": f"{PLANTED}A",
    "InstitutionName": f"{PLANTED} Hospital",
    "InstitutionAddress": f"1 {PLANTED} Road",
    "ReferringPhysicianName": f"{PLANTED}^Referring",
    "PerformingPhysicianName": f"{PLANTED}^Performing",
    "OperatorsName": f"{PLANTED}^Operator",
    "StationName": f"{PLANTED}S",
    "StudyDescription": f"{PLANTED} study",
    "SeriesDescription": f"{PLANTED} series",
    "PatientBirthDate": "19010203",
    "PatientAddress": f"2 {PLANTED} Road",
    "PatientComments": f"{PLANTED} comment",
    "OtherPatientIDs": f"{PLANTED}O",
    "ProtocolName": f"{PLANTED} protocol",
    "DeviceSerialNumber": f"{PLANTED}D",
    "StudyID": f"{PLANTED}T",
    "ImageComments": f"{PLANTED} image",
    "RequestedProcedureDescription": f"{PLANTED} request",
    "StudyDate": "19040506",
    "StudyTime": "010203",
}

UIDS = "1.2.3.99999"
"""Start of the UIDs of study, series and instance."""

LOSSES: dict[UID, dict[str, Any]] = {JPEG2000: {"j2k_cr": [4]}, JPEGLSNearLossless: {"jls_error": 2}}
"""How much the lossy syntaxes lose: a compression by 4, errors of 2 grey values at most."""

MONOCHROME = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")


def ramp(height: int = 36, width: int = 48, low: int = 0, high: int = 4095, dtype: Any = np.uint16) -> np.ndarray:
    """[H, W], rising from the upper left to the lower right corner, so that no turn, flip or inversion gives it back."""
    return np.linspace(low, high, height * width).round().astype(dtype).reshape(height, width)


def colours(height: int = 36, width: int = 48) -> np.ndarray:
    """uint8 [H, W, 3]: red rises to the right, green to the bottom, blue to the left."""
    red, green = np.linspace(0, 255, width)[None], np.linspace(0, 255, height)[:, None]
    return np.stack(np.broadcast_arrays(red, green, 255 - red), axis=-1).round().astype(np.uint8)


def dicom_bytes(
    pixels: np.ndarray | None = None,
    photometric: str = "MONOCHROME2",
    window: tuple[Any, Any] | None = None,
    slope: float | None = None,
    intercept: float | None = None,
    bits_stored: int | None = None,
    transfer_syntax: UID = ExplicitVRLittleEndian,
    patient: str = f"{PLANTED}^Patient",
    patient_id: str = f"p10{PLANTED}",
    palette: np.ndarray | None = None,
    modality_lut: tuple[int, int, np.ndarray] | None = None,
    voi_lut: tuple[int, int, np.ndarray] | None = None,
    encoded: list[bytes] | None = None,
    meta: bool = True,
    **tags: Any,
) -> bytes:
    """One file.

    Args:
        pixels: integers [H, W] or [F, H, W] for grey and palettes, [H, W, 3] or [F, H, W, 3] for colour, stored as they are;
            signed types make signed files. A ramp of 12 bits when None.
        photometric: PhotometricInterpretation.
        window: centre and width, or lists of them; `VOILUTFunction` goes into `tags`.
        slope, intercept: of the rescaling, neither or both.
        bits_stored: as many as the type has when None, of the ramp 12.
        transfer_syntax: native ones, RLE, JPEG-LS, JPEG 2000 and JPEG baseline (which loses something) can be written.
        patient, patient_id: identifiers; more are planted, see `IDENTIFIERS`.
        palette: uint8 or uint16 [E, 3], for PALETTE COLOR.
        modality_lut, voi_lut: first mapped value, bits per entry, and the entries.
        encoded: the frames as the transfer syntax has them, where something else than pydicom encoded them.
        meta: whether the preamble and the file meta information are written.
        tags: any further elements by keyword (`ViewPosition="PA"`); None removes one.
    """
    if pixels is None:
        pixels, bits_stored = ramp(), bits_stored if bits_stored is not None else 12
    ds = _identified(patient, patient_id)
    _describe(ds, pixels, photometric, bits_stored)
    if window is not None:
        ds.WindowCenter, ds.WindowWidth = window
    if slope is not None or intercept is not None:
        ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
        ds.RescaleType = "US"
    if palette is not None:
        _add_palette(ds, palette)
    for keyword, lut in (("ModalityLUTSequence", modality_lut), ("VOILUTSequence", voi_lut)):
        if lut is not None:
            setattr(ds, keyword, Sequence([_lut(*lut)]))
    if encoded is not None or transfer_syntax == JPEGBaseline8Bit:
        _set_encoded(ds, encoded or _jpegs(pixels, "NumberOfFrames" in ds), transfer_syntax)
    else:
        _set_pixels(ds, pixels, transfer_syntax)
    for keyword, value in tags.items():
        _set(ds, keyword, value)
    return _written(ds, meta)


def _set(ds: Dataset, keyword: str, value: Any) -> None:
    if value is not None:
        setattr(ds, keyword, value)
    elif keyword in ds:
        delattr(ds, keyword)


def _identified(patient: str, patient_id: str) -> FileDataset:
    ds = FileDataset("", {}, preamble=b"\0" * 128, file_meta=FileMetaDataset())
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID = (f"{UIDS}.{number}" for number in (3, 2, 1))
    ds.file_meta.SourceApplicationEntityTitle = f"{PLANTED}E"
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.Modality = "CR"
    ds.PatientName, ds.PatientID = patient, patient_id
    for keyword, value in IDENTIFIERS.items():
        setattr(ds, keyword, value)
    ds.PatientIdentityRemoved = "YES"
    block = ds.private_block(0x0011, PLANTED.upper(), create=True)
    block.add_new(0x01, "LO", f"{PLANTED} private")
    return ds


def _describe(ds: Dataset, pixels: np.ndarray, photometric: str, bits_stored: int | None) -> None:
    grey = photometric in MONOCHROME
    ds.PhotometricInterpretation = photometric
    ds.SamplesPerPixel = 1 if grey else 3
    if not grey:
        ds.PlanarConfiguration = 0
    ds.Rows, ds.Columns = pixels.shape[-2:] if grey else pixels.shape[-3:-1]
    if pixels.ndim > (2 if grey else 3):
        ds.NumberOfFrames = len(pixels)
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = bits_stored if bits_stored is not None else ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")


def _set_encoded(ds: Dataset, frames: list[bytes], transfer_syntax: UID) -> None:
    ds.file_meta.TransferSyntaxUID = transfer_syntax
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"


def _set_pixels(ds: Dataset, pixels: np.ndarray, transfer_syntax: UID) -> None:
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    big = transfer_syntax == ExplicitVRBigEndian
    ds.set_original_encoding(transfer_syntax.is_implicit_VR, not big)
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes().ljust(pixels.nbytes + pixels.nbytes % 2, b"\0")
    ds["PixelData"].VR = "OW" if ds.BitsAllocated > 8 else "OB"
    if transfer_syntax.is_compressed and not transfer_syntax.is_deflated:
        ds.compress(transfer_syntax, generate_instance_uid=False, **LOSSES.get(transfer_syntax, {}))
    ds.file_meta.TransferSyntaxUID = transfer_syntax


def _jpegs(pixels: np.ndarray, several: bool) -> list[bytes]:
    buffers = [io.BytesIO() for _ in range(len(pixels) if several else 1)]
    for buffer, frame in zip(buffers, pixels if several else pixels[None], strict=True):
        Image.fromarray(frame).save(buffer, "JPEG", quality=95)
    return [buffer.getvalue() for buffer in buffers]


def _add_palette(ds: Dataset, palette: np.ndarray) -> None:
    bits = 8 * palette.dtype.itemsize
    for name, values in zip(("Red", "Green", "Blue"), palette.T, strict=True):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [len(palette) % 65536, 0, bits])
        setattr(ds, f"{name}PaletteColorLookupTableData", values.tobytes().ljust(values.nbytes + values.nbytes % 2, b"\0"))


def _lut(first: int, bits: int, entries: np.ndarray) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return item


def _written(ds: FileDataset, meta: bool) -> bytes:
    buffer = io.BytesIO()
    if meta:
        ds.save_as(buffer, enforce_file_format=True)
    else:
        syntax = ds.file_meta.TransferSyntaxUID
        bare = Dataset()
        bare.update(ds)
        bare.save_as(buffer, implicit_vr=syntax.is_implicit_VR, little_endian=syntax.is_little_endian)
    return buffer.getvalue()
