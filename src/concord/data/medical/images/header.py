"""What a DICOM file says of its picture, as far as that may be known."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from concord.data.medical.images.allowed import carefully, numbers, opened, word

if TYPE_CHECKING:
    from pydicom import Dataset

CODE = re.compile(r"[A-Z0-9_]{1,16}([ -][A-Z0-9_]{1,16}){0,2}")
"""What codes of DICOM look like. Where something else was typed in, it is not shown."""


@dataclass(frozen=True)
class Header:
    """Codes in capitals, "" where the file has none.

    Attributes:
        modality: "CR", "DX", "MG", "CT", "MR", "US", ...
        view: ViewPosition: "PA", "AP", "LL", "CC", "MLO", ...
        laterality: of the image, else of the series: "L", "R", "B" or "U".
        body_part: BodyPartExamined.
        rows, columns, frames: 0 where the file does not say.
        spacing: distance between rows and between columns in mm, at the detector for projections; None where unknown.
        burned_in: whether the file says that its pixels show who was examined; None where it says nothing.
        identity_removed: whether it says that names and the like were removed.
        recognizable: whether it says that a face could be recognised.
    """

    modality: str = ""
    view: str = ""
    laterality: str = ""
    body_part: str = ""
    rows: int = 0
    columns: int = 0
    frames: int = 0
    spacing: tuple[float, float] | None = None
    burned_in: bool | None = None
    identity_removed: bool | None = None
    recognizable: bool | None = None


def header(content: bytes, force: bool = False) -> Header:
    """Of the bytes of a DICOM file; its pixels are not read.

    Args:
        force: read files that do not start with a preamble and "DICM".

    Raises:
        DataError: for a file that is broken or not DICOM.
        MissingExtraError: without pydicom.
    """
    return carefully(lambda: header_of(opened(content, force).dataset))


def header_of(dataset: Dataset) -> Header:
    """Of the allowed elements of a file; call it inside of `carefully`."""
    rows, columns, frames = (int(numbers(dataset, keyword)[0]) if numbers(dataset, keyword) else 0 for keyword in _COUNTS)
    return Header(
        modality=_code(dataset, "Modality"),
        view=_code(dataset, "ViewPosition"),
        laterality=_code(dataset, "ImageLaterality") or _code(dataset, "Laterality"),
        body_part=_code(dataset, "BodyPartExamined"),
        rows=rows,
        columns=columns,
        frames=frames,
        spacing=_spacing(dataset),
        burned_in=_answer(dataset, "BurnedInAnnotation"),
        identity_removed=_answer(dataset, "PatientIdentityRemoved"),
        recognizable=_answer(dataset, "RecognizableVisualFeatures"),
    )


_COUNTS = ("Rows", "Columns", "NumberOfFrames")


def _code(dataset: Dataset, keyword: str) -> str:
    value = word(dataset, keyword)
    return value if CODE.fullmatch(value) else ""


def _answer(dataset: Dataset, keyword: str) -> bool | None:
    return {"YES": True, "NO": False}.get(word(dataset, keyword))


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        values = numbers(dataset, keyword)
        if len(values) == 2 and min(values) > 0:
            return values[0], values[1]
    return None
