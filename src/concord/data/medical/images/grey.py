"""What a DICOM file says of how its grey values are to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from concord.data.medical.images.allowed import numbers, word
from concord.data.medical.images.lookup import Cells, Function, Percentiles, Rescale, Table, Window
from concord.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset


def cells_of(dataset: Dataset, masked: bool, shifted: bool) -> Cells:
    """How the file's integers lie in memory.

    Args:
        masked: whether unused bits may be anything.
        shifted: whether unused bits below the value are still there: encoders leave them out.
    """
    allocated, stored, sign = (int(numbers(dataset, keyword)[0]) for keyword in ("BitsAllocated", "BitsStored", "PixelRepresentation"))
    if not (1 <= stored <= allocated <= 32):
        raise DataError("the grey values of a DICOM file must have 1 to 32 bits, in cells of at least as many")
    high = int(numbers(dataset, "HighBit")[0]) if shifted and numbers(dataset, "HighBit") else stored - 1
    if not (stored - 1 <= high < allocated):
        raise DataError("the high bit of a DICOM file lies outside of its cells")
    return Cells(allocated, stored, high - stored + 1, sign == 1, masked)


def modality_of(dataset: Dataset) -> Rescale | Table | None:
    """The modality transform: a table goes before a straight line."""
    if dataset.get("ModalityLUTSequence"):
        return _table(dataset, dataset.ModalityLUTSequence[0])
    slope, intercept = numbers(dataset, "RescaleSlope"), numbers(dataset, "RescaleIntercept")
    if not (slope and intercept):
        return None
    if slope[0] == 0:
        raise DataError("the rescale slope of a DICOM file is 0")
    return Rescale(slope[0], intercept[0])


def voi_of(dataset: Dataset, index: int) -> Window | Table | None:
    """The values of interest: a table goes before a window; None where the file has neither.

    Args:
        index: which of several.

    Raises:
        DataError: where there are fewer.
    """
    if dataset.get("VOILUTSequence"):
        return _table(dataset, _pick(dataset.VOILUTSequence, index))
    centres, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if not (centres and widths):
        return None
    function = word(dataset, "VOILUTFunction") or "LINEAR"
    if function not in get_args(Function):
        raise DataError(f"the VOI LUT function of a DICOM file is none of {', '.join(get_args(Function))}")
    return Window(_pick(centres, index), _pick(widths, index), cast(Function, function))


def percentiles_of(dataset: Dataset, low: float, high: float, cells: Cells) -> Percentiles:
    """Percentiles of what is no padding."""
    values = [value for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit") for value in numbers(dataset, keyword)[:1]]
    # Files write the padding of signed cells as an unsigned number, and the other way round.
    padding = [int(cells.values(np.array(int(value) << cells.shift))) for value in values]
    return Percentiles(low, high, (min(padding), max(padding)) if padding else None)


def _pick(several: Any, index: int) -> Any:
    if index >= len(several):
        raise DataError(f"a DICOM file has {len(several)} windows or VOI tables, and voi_index is {index}, which counts from 0")
    return several[index]


def _table(dataset: Dataset, item: Dataset) -> Table:
    """A lookup table, whose entries of 8 bits may lie in cells of 8 or of 16."""
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    data, count = item.LUTData, count or 1 << 16
    if not 8 <= bits <= 16:
        raise DataError("the entries of a lookup table in a DICOM file must have 8 to 16 bits")
    if isinstance(data, bytes):
        narrow = bits == 8 and len(data) < 2 * count
        order = "<" if dataset.original_encoding[1] else ">"
        data = np.frombuffer(data, np.uint8 if narrow else f"{order}u2")
    entries = np.atleast_1d(np.asarray(data, dtype=np.int64))[:count]
    if len(entries) < count:
        raise DataError("a lookup table in a DICOM file is shorter than it says")
    return Table(first, bits, entries.clip(0, (1 << bits) - 1).astype("<u2").tobytes())
