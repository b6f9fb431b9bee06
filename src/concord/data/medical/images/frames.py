"""The pixels of one frame of a DICOM file, as they are stored."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from concord.data.medical.images.allowed import Opened, numbers
from concord.data.medical.images.syntaxes import RLE_LOSSLESS, is_native, plugin_for
from concord.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

Frame = int | float | Literal["middle", "error"]

SHAPE = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")

UNDEFINED = 0xFFFFFFFF
"""The length of pixels that come in parts."""

START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
"""Markers of JPEG and JPEG-LS after which the size of the picture stands."""


def which(frame: Frame, frames: int, position: float | None) -> int:
    """The place of the frame to be read.

    Args:
        frame: its place from 0 on, its share of the length in [0, 1], "middle", or "error" for files of more than one.
        frames: how many there are.
        position: share of the length that is asked for instead; None leaves the choice to `frame`.

    Raises:
        DataError: for a place that is not there, and where several frames are refused.
    """
    share = float(position) if position is not None else frame
    if isinstance(share, float):
        if not 0 <= share <= 1:
            raise DataError("the position of a frame must lie in [0, 1]")
        return round(share * (frames - 1))
    if frame == "middle":
        return frames // 2
    if frame == "error":
        if frames > 1:
            raise DataError(f"a DICOM file has {frames} frames; choose with frame=middle, its place, or a share of the length as in 0.5")
        return 0
    if frame >= frames:
        raise DataError(f"a DICOM file has {frames} frames, and frame is {frame}, which counts from 0")
    return int(frame)


def check_size(dataset: Dataset, max_pixels: int) -> None:
    """Refuse before anything is decoded.

    Raises:
        DataError: for a file without a picture, such as a report, and for one that is empty or larger than the limit.
    """
    sides = [numbers(dataset, keyword) for keyword in ("Rows", "Columns")]
    if not all(sides):
        raise DataError("a DICOM file holds no picture")
    rows, columns = (int(side[0]) for side in sides)
    if rows * columns == 0:
        raise DataError(f"an image must have pixels, got a DICOM file of {columns} x {rows}")
    if rows * columns > max_pixels:
        raise DataError(f"image of {columns} x {rows} pixels is larger than the limit of {max_pixels}; raise max_pixels or shrink it")


def frames_of(dataset: Dataset) -> int:
    count = numbers(dataset, "NumberOfFrames")
    return max(int(count[0]), 1) if count else 1


def read_frame(file: Opened, index: int) -> tuple[np.ndarray, str]:
    """One frame, [H, W] or [H, W, 3] of the file's own integers, and its PhotometricInterpretation: YBR is made RGB.

    Unused bits are left as they are.

    Raises:
        DataError: for a file without pixels, or pixels that are no integers.
        MissingExtraError: naming the syntax, and the extra that decodes it.
    """
    plugin = plugin_for(file.syntax, int(numbers(file.dataset, "BitsAllocated")[0]))
    vr, length = _at_value(file)
    cells = _grey_cells(file, index, length)
    if cells is not None:
        return cells, str(file.dataset.PhotometricInterpretation)
    return _by_pydicom(file, index, plugin, {"pixel_vr": vr} if vr else {})


def _at_value(file: Opened) -> tuple[str, int]:
    """Go to the first byte of the pixels; the type that the file gives them, "" where it gives none, and their length in bytes."""
    start = file.stream.read(8)
    if len(start) < 8:
        raise DataError("a DICOM file holds no picture")
    end = "<" if file.syntax.is_little_endian else ">"
    group, element, length = struct.unpack(f"{end}HHI", start)
    if (group, element) != (0x7FE0, 0x0010):
        raise DataError("the pixels of a DICOM file are no integers")
    if file.dataset.original_encoding[0]:
        return "", length
    return start[4:6].decode("ascii"), int(struct.unpack(f"{end}I", file.stream.read(4))[0])


def _grey_cells(file: Opened, index: int, length: int) -> np.ndarray | None:
    """The cells of a grey frame, unsigned [H, W], where getting them is simple: uncompressed ones are a part of the file, and RLE
    needs one call. None for all others, and for pixels that are shorter than they should be, of which pydicom takes care.
    """
    rows, columns, samples, allocated = (int(numbers(file.dataset, keyword)[0]) for keyword in SHAPE)
    if samples != 1 or allocated not in (8, 16, 32) or not file.syntax.is_little_endian:
        return None
    size = rows * columns * allocated // 8
    content: Any = None  # bytes of any kind
    if is_native(file.syntax):
        content = _part(file, index * size, (index + 1) * size, length)
    elif file.syntax == RLE_LOSSLESS:
        from rle.utils import decode_pixel_data

        content = decode_pixel_data(_encoded(file, index), version=2, rows=rows, columns=columns, bits_allocated=allocated)
    return np.frombuffer(content, f"<u{allocated // 8}").reshape(rows, columns) if content is not None else None


def _part(file: Opened, start: int, end: int, length: int) -> memoryview | None:
    """Bytes of the pixels, without a copy; None where they are not all there."""
    content, first = file.stream.getbuffer(), file.stream.tell()
    if length == UNDEFINED or end > length or first + end > len(content):
        return None
    return content[first + start : first + end]


def _by_pydicom(file: Opened, index: int, plugin: str, options: dict[str, Any]) -> tuple[np.ndarray, str]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import as_pixel_options

    options = {"pixel_keyword": "PixelData", **options, **as_pixel_options(file.dataset)}
    source: Any = file.stream
    if is_native(file.syntax):
        options |= {"view_only": True}
    else:
        options.pop("extended_offsets", None)
        source = encapsulate([_encoded(file, index)], has_bot=False)
        index, options["number_of_frames"] = 0, 1
    pixels, found = get_decoder(file.syntax).as_array(
        source, index=index, decoding_plugin=plugin, **{**options, "correct_unused_bits": False}
    )
    return pixels, str(found["photometric_interpretation"])


def _encoded(file: Opened, index: int) -> bytes:
    """A compressed frame alone, of the size that the file says: what it unpacks to is known before it is decoded."""
    from pydicom.encaps import get_frame

    dataset = file.dataset
    offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in dataset else None
    frame = get_frame(file.stream, index, extended_offsets=offsets, number_of_frames=frames_of(dataset))
    said = int(dataset.Columns), int(dataset.Rows)
    if file.syntax != RLE_LOSSLESS and _encoded_size(frame) != said:  # RLE grows to 64 times its bytes at most
        raise DataError("the compressed pixels of a DICOM file have another size than it says")
    return frame


def _encoded_size(frame: bytes) -> tuple[int, int] | None:
    """Columns and rows that JPEG, JPEG-LS or JPEG 2000 will be decoded to; None for anything else."""
    if frame[:2] == b"\xff\xd8":
        return _jpeg_size(frame)
    start = _codestream(frame) if frame[4:8] == b"jP  " else 0
    if frame[start : start + 4] != b"\xff\x4f\xff\x51":
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    return right - left, bottom - top


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    place = 2
    while True:
        while frame[place + 1] == 0xFF:
            place += 1
        if frame[place + 1] in START_OF_FRAME:
            rows, columns = struct.unpack_from(">HH", frame, place + 5)
            return columns, rows
        place += 2 + int.from_bytes(frame[place + 2 : place + 4])


def _codestream(frame: bytes) -> int:
    """Where the picture starts in a JP2 file, which some writers put into DICOM: behind boxes with a length and a name."""
    place = 0
    while frame[place + 4 : place + 8] != b"jp2c":
        length = int.from_bytes(frame[place : place + 4])
        if length < 8:
            raise DataError("the JPEG 2000 picture of a DICOM file lies in boxes that cannot be read")
        place += length
    return place + 8
