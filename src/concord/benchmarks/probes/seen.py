"""What a probe sees of a data set: what the model keeps of its pictures, and their classes.

Dimensions: N examples, D features, C classes.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.classification.labels import label_of, labels_of
from concord.benchmarks.classification.prompts import names_of
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Results
from concord.benchmarks.task import Asked, Task
from concord.errors import ConfigError, DataError

Array = NDArray[Any]
Look = Literal["deepest", "features", "embedding"]


@dataclass(frozen=True)
class Seen:
    """Labelled vectors.

    Attributes:
        features: [N, D] float32, as the model gives them.
        labels: [N] int64, or [N, C], 1 or 0 or nan where unknown.
        asked: their names and units.
    """

    features: Array
    labels: Array
    asked: Asked

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.int64]) -> Seen:
        """Some of the examples."""
        return Seen(self.features[rows], self.labels[rows], self.asked.take(rows.tolist()))

    def joined(self, other: Seen) -> Seen:
        """These and others, whose units are different ones."""
        units = np.concatenate([self.asked.units, other.asked.units + self.asked.units.max() + 1])
        asked = Asked([*self.asked.keys, *other.asked.keys], units, digest(self.asked.data, other.asked.data))
        return Seen(np.concatenate([self.features, other.features]), np.concatenate([self.labels, other.labels]), asked)


class Probe(Task):
    """A task that learns from a training set and is asked about a test set. Both have the same classes.

    Args:
        train: the training set.
        reader: the test set. Of neither, nor of `limit`, does anything of the test reach what is learned.
        look: what is seen of a picture: "features", the image tower's output before the projection; "embedding", behind it;
            "deepest", features where the model shows them, else embeddings. The protocol of the records tells which it was.
        limit, unit: see `Task`; units of the training set are kept together, too, and none may be in the test set: a patient whose
            pictures were learned from is known.
    """

    reader: Reader

    def __init__(self, train: Reader, reader: Reader, look: Look = "deepest", limit: int | None = None, unit: str | None = None) -> None:
        super().__init__(reader, limit, unit)
        if train == reader:
            raise ConfigError(f"train must be other data than the test set {reader.name}")
        self.train = train
        self.look = look
        self.class_names = list(names_of(None, reader))
        self.same_classes("train", train)

    def same_classes(self, argument: str, reader: Reader) -> None:
        """Refuse a data set of other classes.

        Raises:
            ConfigError: naming the argument.
        """
        if list(names_of(None, reader)) != self.class_names:
            raise ConfigError(f"{argument}: {reader.name} must have the classes of the test set {self.reader.name}, in the same order")

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "train": self.train.name, "look": self.look}

    def run(self, evaluation: Evaluation) -> Results:
        probe = copy(self)
        probe.look = evaluation.deepest_look() if self.look == "deepest" else self.look
        probe.require_apart(evaluation, self.train)
        return probe.measure(evaluation)

    def require_apart(self, evaluation: Evaluation, reader: Reader) -> None:
        """Refuse data that share a unit with the test set, unless both say that they are of different cohorts.

        Raises:
            DataError: naming the number of units, and none of them.
        """
        cohorts = [getattr(one, "cohort", None) for one in (reader, self.reader)]
        if self.unit is None or (None not in cohorts and cohorts[0] != cohorts[1]):
            return
        shared = self._unit_names(evaluation, reader) & self._unit_names(evaluation, self.reader, self.limit)
        if shared:
            raise DataError(f"{reader.name} and the test set {self.reader.name} share {len(shared)} units ({self.unit}); split by unit")

    def _unit_names(self, evaluation: Evaluation, reader: Reader, limit: int | None = None) -> set[str]:
        assert self.look != "deepest"
        pairs = evaluation.examples(reader, limit, look=self.look).pairs
        self.units(pairs)  # which refuses examples that name none
        return {str(pair.metadata[self.unit]) for pair in pairs if self.unit is not None}

    def measure(self, evaluation: Evaluation) -> Results:
        """What `run` does when it is settled what is seen."""
        raise NotImplementedError

    def see(self, evaluation: Evaluation, reader: Reader, limit: int | None = None) -> Seen:
        """Read a data set.

        Raises:
            DataError: for labels that do not fit the classes, and features that are not finite.
            IncompatibleError: for features of a model that shows none.
        """
        assert self.look != "deepest"
        examples = evaluation.examples(reader, limit, look=self.look)
        several = "label" not in examples.pairs[0].metadata and "labels" in examples.pairs[0].metadata
        read = labels_of if several else label_of
        labels = np.array([read(examples, row, len(self.class_names)) for row in range(len(examples))])
        features = examples.images.vectors.float().numpy()
        if not np.isfinite(features).all():
            raise DataError(f"{reader.name}: the model gave features that are not finite; a probe cannot learn from them")
        return Seen(features, labels, Asked([pair.key for pair in examples.pairs], self.units(examples.pairs), examples.checksum))

    def see_single(self, evaluation: Evaluation) -> tuple[Seen, Seen]:
        """Read the training and the test set, whose examples must be of one class each.

        Raises:
            ConfigError: where they may be of several.
        """
        train, test = self.see(evaluation, self.train), self.see(evaluation, self.reader, self.limit)
        if train.labels.ndim == 2 or test.labels.ndim == 2:
            raise ConfigError(
                f"reader: {self.reader.name} has several classes per example; take LinearProbe instead of {type(self).__name__}"
            )
        return train, test


def digest(*words: str) -> str:
    """A checksum of several."""
    return blake2b("\0".join(words).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
