"""What enhanced multi-frame DICOM files say of single frames: functional groups (part 3 of the standard, C.7.6.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from concord.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"

GROUPS = {
    "PixelMeasuresSequence": ("PixelSpacing",),
    "PixelValueTransformationSequence": ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept"),
    "FrameVOILUTSequence": ("VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"),
}
"""The groups that are read, each with the elements that it replaces as a whole; no other element of theirs is looked at."""


def take_frame(dataset: Dataset, index: int) -> None:
    """Make the elements of a file those of one frame: what its own groups say, else what those of all frames say, else what the
    file says by itself, as files without groups do. Call it inside of `carefully`.

    Args:
        index: of the frame, from 0 on.

    Raises:
        DataError: for a frame that has no groups where others have.
    """
    shared, own = (list(dataset.get(keyword) or ()) for keyword in (SHARED, PER_FRAME))
    if own and index >= len(own):
        raise DataError("a DICOM file has fewer functional groups than frames")
    for groups in (*shared[:1], *own[index : index + 1]):
        for group, keywords in GROUPS.items():
            if said := groups.get(group):
                _replace(dataset, said[0], keywords)
    for keyword in (SHARED, PER_FRAME):
        dataset.pop(keyword, None)


def _replace(dataset: Dataset, said: Dataset, keywords: tuple[str, ...]) -> None:
    from pydicom.tag import Tag

    for tag in map(Tag, keywords):
        dataset.pop(tag, None)
        if tag in said:
            dataset[tag] = said[tag]
