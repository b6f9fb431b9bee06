"""What all data sets of classification share.

Dimensions: N examples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from concord.data.benchmarks.classification.pictures import Pictures
from concord.data.source import digest
from concord.errors import DataError
from concord.types import Pair
from concord.vocabularies import class_names as published_names

UNKNOWN = -1
"""In labels [N, C]: nobody said whether the example belongs to the class."""


class Labelled:
    """Pictures of known classes, with random access. Pairs have no captions; their metadata holds

    - `label` and `class_name`, where each picture is of one class, or
    - `labels`, one of 1, 0 and None (unknown) per class, where it may be of several,

    and what else the data set says, such as a group. Two sources of the same files with the same labels are equal.

    Args:
        name: for logs and metrics.
        pictures: the N pictures.
        labels: int64 [N] from 0, or int8 [N, C] of 1, 0 and `UNKNOWN`.
        class_names: by label.

    Attributes:
        class_names: by label.
        templates: the data set's own sentences with `{}` for the class name; None where it has none.
        labels: as given.

    Raises:
        DataError: for a data set without examples, and a label that no class name stands for.
    """

    templates: list[str] | None = None

    def __init__(self, name: str, pictures: Pictures, labels: NDArray[Any], class_names: Sequence[str]) -> None:
        self.name = name
        self.class_names = list(class_names)
        self.labels = labels
        self._pictures = pictures
        if len(pictures) != len(labels):
            raise DataError(f"{name}: {len(pictures)} images and {len(labels)} labels; they must be as many")
        if not len(labels):
            raise DataError(f"{name}: no examples in it")
        if labels.ndim == 1:
            self._check_labels()
        elif labels.shape[1] != len(self.class_names):
            raise DataError(f"{name}: labels of {labels.shape[1]} classes, and {len(self.class_names)} class names; they must be as many")

    def _check_labels(self) -> None:
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.class_names)))
        if len(wrong):
            place, label, classes = f"{self.name}, example {self.key(int(wrong[0]))}", self.labels[wrong[0]], len(self.class_names)
            raise DataError(f"{place}: label {label} lies outside of [0, {classes - 1}], as there are {classes} class names")

    def __len__(self) -> int:
        return len(self.labels)

    def key(self, index: int) -> str:
        return self._pictures.key(index)

    def location(self, index: int) -> str:
        return self._pictures.location(index)

    def fingerprint(self) -> str:
        return digest(self._pictures.fingerprint(), blake2b(self.labels.tobytes(), digest_size=16).hexdigest(), self.class_names)

    def metadata(self, index: int) -> Mapping[str, Any]:
        known = self._known(index)
        if self.labels.ndim == 2:
            return {**known, "labels": [None if label == UNKNOWN else int(label) for label in self.labels[index]]}
        label = int(self.labels[index])
        return {**known, "label": label, "class_name": self.class_names[label]}

    def _known(self, index: int) -> Mapping[str, Any]:
        """What is known of an example beside its classes."""
        return {}

    def __getitem__(self, index: int) -> Pair:
        return Pair(self._pictures.read(index), (), self.key(index), self.name, self.metadata(index))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._identity() == other._identity()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str, str]:
        return self.name, self.location(0), self.fingerprint()


def names_of(class_names: Sequence[str] | str) -> list[str]:
    """Class names as a list: as they are, or a published set of `concord.vocabularies` by its name.

    Raises:
        ConfigError: for an unknown set.
    """
    return list(published_names(class_names) if isinstance(class_names, str) else class_names)


def readable(name: str) -> str:
    """The name of a folder or a value as prompts can use it: with spaces for underscores."""
    return name.replace("_", " ").strip()
