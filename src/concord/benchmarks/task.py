"""The contract of a benchmark task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Results
from concord.errors import DataError
from concord.types import Pair, Paper


class Task(ABC):
    """One kind of measurement on one data set. It keeps settings only: nothing of a model survives a run.

    Args:
        reader: the data set.
        limit: at most so many examples, a random subset by the seed of the bench; None takes all.
        unit: the metadata that names what is independent, such as "patient_id"; intervals draw whole units. None: each image.

    Attributes:
        kind: first part of the names of its records.
        paper: where the measurement comes from.
    """

    kind: ClassVar[str]
    paper: ClassVar[Paper]

    def __init__(self, reader: Reader, limit: int | None = None, unit: str | None = None) -> None:
        if limit is not None and limit < 2:
            raise ValueError(f"limit must be at least 2 or null, got {limit}")
        self.reader = reader
        self.limit = limit
        self.unit = unit

    def units(self, pairs: Sequence[Pair]) -> NDArray[np.int64]:
        """By example, the number of its unit, [N] from 0.

        Raises:
            DataError: where an example does not name its unit.
        """
        if self.unit is None:
            return np.arange(len(pairs))
        for pair in pairs:
            if self.unit not in pair.metadata:
                raise DataError(
                    f"{self.reader.name}, example {pair.key}: its metadata lacks unit {self.unit}; set unit to another key or null"
                )
        return np.unique([str(pair.metadata[self.unit]) for pair in pairs], return_inverse=True)[1]

    @abstractmethod
    def run(self, evaluation: Evaluation) -> Results:
        """Measure the model of an evaluation.

        Raises:
            DataError: where the data set lacks what this task needs.
        """
