"""The classes of examples, as readers write them into the metadata."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from concord.benchmarks.reading import Examples
from concord.errors import DataError


def label_of(examples: Examples, row: int, classes: int) -> int:
    """The one class of an example.

    Raises:
        DataError: where its `label` is no integer from 0 to classes - 1.
    """
    label = examples.pairs[row].metadata.get("label")
    if not isinstance(label, int) or not 0 <= label < classes:
        place = f"{examples.reader.name}, example {examples.indices[row]}"
        raise DataError(f"{place}: label must be an integer in [0, {classes - 1}], got {label!r}")
    return label


def labels_of(examples: Examples, row: int, classes: int) -> list[float]:
    """By class whether an example is of it, 1 or 0, nan where unknown.

    Raises:
        DataError: where its `labels` are not as many values 0, 1 or None.
    """
    labels = examples.pairs[row].metadata.get("labels")
    if not isinstance(labels, Sequence) or len(labels) != classes or any(label not in (0, 1, None) for label in labels):
        place = f"{examples.reader.name}, example {examples.indices[row]}"
        raise DataError(f"{place}: labels must be a list of {classes} values 0, 1 or None, got {labels!r}")
    return [np.nan if label is None else float(label) for label in labels]
