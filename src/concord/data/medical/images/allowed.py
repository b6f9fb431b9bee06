"""What may be read of a DICOM file: a list of elements, and nothing that is not on it."""

from __future__ import annotations

import io
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from concord.errors import ConcordError, DataError, MissingExtraError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

MAX_BYTES = 1 << 30
"""What compressed files may unpack to: a file of kilobytes can ask for gigabytes."""

ALLOWED = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    *(f"{colour}PaletteColorLookupTable{part}" for colour in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    *("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio", "SequenceOfUltrasoundRegions"),
    *("Modality", "ViewPosition", "Laterality", "ImageLaterality", "BodyPartExamined"),
    *("BurnedInAnnotation", "PatientIdentityRemoved", "RecognizableVisualFeatures"),
    *("ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
"""Elements by keyword. None says who was examined, where, when or by whom; of functional groups see `functional_groups.GROUPS`."""

PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
"""Elements that hold pixels: floats, doubles, integers."""

TALKERS = ("pydicom", "pylibjpeg", "openjpeg", "libjpeg", "rle", "jpeg_ls")
"""Packages whose log would show values of elements."""

BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
"""How `struct` calls the numbers that are not written as text."""

DEFLATED = "1.2.840.10008.1.2.1.99"

T = TypeVar("T")


@dataclass(frozen=True)
class Opened:
    """A DICOM file up to its pixels.

    Attributes:
        dataset: the elements that are allowed, those that the file has.
        syntax: how the file is encoded.
        stream: stands in front of the element that holds the pixels, or at the end.
    """

    dataset: Dataset
    syntax: UID
    stream: io.BytesIO


def carefully(function: Callable[[], T]) -> T:
    """What a function gives that reads a DICOM file.

    pydicom puts values of elements into its warnings, log and exceptions: nothing of them is passed on, not even as the cause of
    another exception.

    Raises:
        DataError: for whatever goes wrong, naming its kind alone; concord's own errors as they are.
        MissingExtraError: without pydicom.
    """
    try:
        with _silence():
            return function()
    except ConcordError:
        raise
    except Exception as error:  # pydicom and its decoders meet broken bytes with errors of every class
        kind = type(error).__name__
    raise DataError(f"a DICOM file is broken or its end is missing ({kind})")


def is_dicom(content: bytes, force: bool = False) -> bool:
    """Whether these are the bytes of a DICOM file; with `force` also if its first 132 bytes are missing."""
    if content[128:132] == b"DICM":
        return True
    return force and content[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08")  # group 2 or 8, with either end first


def opened(content: bytes, force: bool = False, max_bytes: int = MAX_BYTES) -> Opened:
    """Read the allowed elements of a file; call it inside of `carefully`.

    Args:
        force: read files that do not start with a preamble and "DICM".
        max_bytes: limit for files that are compressed as a whole.

    Raises:
        DataError: for something else than DICOM, and beyond the limit.
    """
    from pydicom.filereader import read_dataset

    if not is_dicom(content, force):
        raise DataError("not a DICOM file; files without its first 132 bytes are read with force=true")
    stream = io.BytesIO(content)
    stream.seek(132 if content[128:132] == b"DICM" else 0)
    syntax = _syntax(stream)
    if syntax == DEFLATED:
        stream = io.BytesIO(unpacked(stream.read(), -zlib.MAX_WBITS, max_bytes))
    implicit, little = (syntax.is_implicit_VR, syntax.is_little_endian) if syntax.is_transfer_syntax else (False, True)
    dataset = read_dataset(stream, implicit, little, stop_when=_at_pixels, specific_tags=_tags())
    dataset.pop("SpecificCharacterSet", None)  # pydicom reads it unasked
    return Opened(dataset, syntax, stream)


def unpacked(content: bytes, window_bits: int, limit: int) -> bytes:
    """What zlib made smaller.

    Raises:
        DataError: for broken data, and for more than `limit` bytes.
    """
    decompressor = zlib.decompressobj(window_bits)
    try:
        result = decompressor.decompress(content, limit)
    except zlib.error:
        raise DataError("a compressed file is broken") from None
    if decompressor.unconsumed_tail:
        raise DataError(f"a compressed file unpacks to more than the limit of {limit} bytes; raise max_bytes")
    if not decompressor.eof:
        raise DataError("a compressed file is broken: its end is missing")
    return result


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """The values of an element; none where it is missing or empty."""
    values = _unparsed(dataset, keyword)
    if values is None:
        value = dataset.get(keyword)
        if value is None or value == "":
            return ()
        values = tuple(map(float, value)) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else (float(value),)
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{keyword} must be finite")
    return values


def word(dataset: Dataset, keyword: str) -> str:
    """The value of an element that holds a code, in capitals; "" where it is missing."""
    return str(dataset.get(keyword) or "").strip().upper()


def _unparsed(dataset: Dataset, keyword: str) -> tuple[float, ...] | None:
    """The values of an element that nobody asked pydicom for, in a tenth of its time; None where that is left to pydicom."""
    from pydicom.dataelem import RawDataElement

    tag = _tag(keyword)
    element = dataset.get_item(tag)
    if not isinstance(element, RawDataElement) or not element.value:
        return None
    kind = element.VR or _dictionary_vr(tag)
    if kind in ("DS", "IS"):
        return tuple(map(float, element.value.rstrip(b" \0").split(b"\\"))) if element.value.strip(b" \0") else ()
    if kind not in BINARY:
        return None
    end, letter = "<" if element.is_little_endian else ">", BINARY[kind]
    return tuple(float(value) for (value,) in struct.iter_unpack(f"{end}{letter}", element.value))


@cache
def _tag(keyword: str) -> Any:
    from pydicom.tag import Tag

    return Tag(keyword)


@cache
def _dictionary_vr(tag: Any) -> str:
    from pydicom.datadict import dictionary_VR

    return dictionary_VR(tag)


def _syntax(stream: io.BytesIO) -> UID:
    """Read the group of the file meta information, which may be missing, up to its end."""
    from pydicom.filereader import read_dataset
    from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    start = stream.tell()
    if stream.read(2) == b"\x02\x00":
        stream.seek(start)
        meta = read_dataset(stream, False, True, stop_when=_after_group_2, specific_tags=[0x00020010])
        if "TransferSyntaxUID" in meta:
            return UID(meta.TransferSyntaxUID)
        start = stream.tell()
    stream.seek(start)
    first = stream.read(6)
    stream.seek(start)
    if not first[4:].isalpha():
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if first[:1] == b"\x00" else ExplicitVRLittleEndian


def _after_group_2(tag: Any, vr: str | None, length: int) -> bool:
    return int(tag) >> 16 != 2


def _at_pixels(tag: Any, vr: str | None, length: int) -> bool:
    return int(tag) in PIXELS  # pydicom's own comparison of tags takes as long as all else that is done with an element


@cache
def _tags() -> list[Any]:
    return [_tag(keyword) for keyword in ALLOWED]


@contextmanager
def _silence() -> Iterator[None]:
    try:
        import pydicom  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("pydicom", "medical") from None
    for name in TALKERS:
        if (logger := logging.getLogger(name)).level <= logging.CRITICAL:
            logger.setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
