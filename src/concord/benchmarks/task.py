"""The contract of a benchmark task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from concord.access import Access, access_of, strictest
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Listed, Named
from concord.benchmarks.records import Answers, Record, Results
from concord.benchmarks.statistics import Interval, bootstrap, mean_of, share_interval
from concord.errors import DataError
from concord.types import Pair, Paper


@dataclass(frozen=True)
class Asked:
    """The n questions behind a number.

    Attributes:
        keys: [n] their names.
        units: [n] numbers of the independent units that they belong to.
        data: checksum of the examples.
    """

    keys: Sequence[str]
    units: NDArray[np.int64]
    data: str = ""

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Sequence[int]) -> Asked:
        """Some of the questions."""
        return Asked([self.keys[row] for row in rows], self.units[list(rows)], self.data)


class Task(ABC):
    """One kind of measurement on one data set. It keeps settings only: nothing of a model survives a run.

    Args:
        reader: the data set; each kind of task says what it has to be, and narrows the attribute.
        limit: at most so many examples, a random subset by the seed of the bench; None takes all.
        unit: the metadata that names what is independent, such as "patient_id"; intervals draw whole units. None: each image.

    Attributes:
        kind: first part of the names of its records.
        paper: where the measurement comes from.
    """

    kind: ClassVar[str]
    paper: ClassVar[Paper]
    reader: Named

    def __init__(self, reader: Named, limit: int | None = None, unit: str | None = None) -> None:
        if limit is not None and limit < 2:
            raise ValueError(f"limit must be at least 2 or null, got {limit}")
        self.reader = reader
        self.limit = limit
        self.unit = unit

    @property
    def access(self) -> Access:
        """The strictest of the data sets that it keeps: the one it tests on, and those that its probes learn from."""
        return strictest(access_of(part) for part in vars(self).values())

    def settings(self) -> Mapping[str, Any]:
        """What the numbers depend on beside the model, the data and the seed, as plain values."""
        return {"limit": self.limit, "unit": self.unit}

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

    def record(
        self,
        evaluation: Evaluation,
        metric: str,
        value: float,
        chance: float | None,
        asked: Asked,
        interval: Interval | None = None,
        subset: str = "",
        **columns: Any,
    ) -> Record:
        """A record of this task on its data set; `columns` are the further ones of `Record`."""
        low, high = (None, None) if interval is None else interval
        protocol = blake2b(repr([self.kind, sorted(self.settings().items())]).encode(), digest_size=8).hexdigest()
        independent = len(np.unique(asked.units))
        listed = self.reader.list_hash if isinstance(self.reader, Listed) else ""
        columns = {"data": asked.data, "protocol": protocol, "units": independent, "list_hash": listed, **columns}
        return Record(self.kind, self.reader.name, metric, value, chance, low, high, len(asked), subset, seed=evaluation.seed, **columns)

    def share(
        self,
        evaluation: Evaluation,
        metric: str,
        correct: ArrayLike,
        chance: float | None,
        asked: Asked,
        subset: str = "",
        **columns: Any,
    ) -> Results:
        """The share of right answers [n] in [0, 1], with its interval and the answers themselves."""
        values = np.asarray(correct, dtype=np.float64)
        value, interval = float(values.mean()), None
        numbered = np.unique(asked.units, return_inverse=True)[1]
        if evaluation.bootstrap and numbered.any():  # one unit alone says nothing of how units differ
            rng = evaluation.generator(self.kind, self.reader.name, subset, metric)
            samples = bootstrap(mean_of(values), len(values), evaluation.bootstrap, rng, numbered)
            interval = share_interval(value, samples[:, 0], int(numbered.max()) + 1)
        record = self.record(evaluation, metric, value, chance, asked, interval, subset, **columns)
        return Results([record], answers=[Answers(record.name, asked.keys, asked.units, values)])

    @abstractmethod
    def run(self, evaluation: Evaluation) -> Results:
        """Measure the model of an evaluation.

        Raises:
            DataError: where the data set lacks what this task needs.
        """
