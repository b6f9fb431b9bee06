"""From a source to an endless stream of batches, by any number of workers, from any point."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from concord.data.order import TrainingOrder
from concord.data.source import BadSample, Source
from concord.data.views import Example, Views
from concord.errors import ConcordError, DataError
from concord.types import Batch

logger = logging.getLogger(__name__)

MEASURED = 100
"""Examples that must have been read before the share of bad ones can stop a run."""

LONGEST_GAP = 100
"""Bad examples in a row that end the search for a replacement."""


@dataclass
class BadSamples:
    """What could not be used, by cause, since this process began to read. Attempts count: a bad example met twice counts twice.

    Attributes:
        read: examples tried, good and bad.
        causes: bad ones by cause.
        first: by cause, the first that was met.
    """

    read: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return self.causes.total() / max(1, self.read)

    def add(self, good: int, bad: list[BadSample]) -> None:
        """Count; the first example of every cause is logged."""
        self.read += good + len(bad)
        for sample in bad:
            self.causes[sample.cause] += 1
            if sample.cause not in self.first:
                self.first[sample.cause] = str(sample)
                logger.warning("bad example, another takes its place: %s (more of this cause are only counted)", sample)

    def check(self, most: float) -> None:
        """Stop the run once the share is too large and enough was read to say so.

        Raises:
            DataError: with the counts.
        """
        if self.read >= MEASURED and self.share > most:
            raise DataError(f"{self.share:.1%} of {self.read} examples are bad, data.max_bad_share allows {most:.1%}: {self.summary()}")

    def summary(self) -> str:
        """One line: every cause with its count and its first example."""
        return "; ".join(f"{count} x {cause}, such as {self.first[cause]}" for cause, count in self.causes.most_common()) or "none"


@dataclass
class Delivery:
    """What a worker hands over: a batch with the bad examples met on the way, or why there is no batch."""

    batch: Batch | None
    bad: list[BadSample]
    failure: str = ""

    def pin_memory(self) -> Delivery:
        return Delivery(self.batch.pin_memory() if self.batch is not None else None, self.bad, self.failure)


class _Batches(Dataset[Delivery]):
    """Global batches by number: what workers run."""

    def __init__(self, source: Source, order: TrainingOrder, views: Views) -> None:
        self.source = source
        self.order = order
        self.views = views

    def __getitem__(self, number: int) -> Delivery:
        bad: list[BadSample] = []
        epoch, indices = self.order.rows(number)
        try:
            examples = [self._example(number, row, epoch, index, bad) for row, index in enumerate(indices)]
            return Delivery(self.views.collate(examples), bad)
        except ConcordError as error:  # handed over as text: errors that cross processes come back as stack traces
            return Delivery(None, bad, str(error))

    def _example(self, number: int, row: int, epoch: int, index: int, bad: list[BadSample]) -> Example:
        """The example of a row, or in its place the one with the same row in the next batch where it is good.

        Within an epoch no other row of this batch holds that example.
        """
        for following in range(LONGEST_GAP):
            if following:
                epoch, index = self.order.row(number + following, row)
            try:
                return self.views.example(self.source[index], epoch, index)
            except BadSample as sample:
                bad.append(sample)
        raise DataError(f"{LONGEST_GAP} bad examples in a row, the last is {bad[-1]}")


class _Numbers(Sampler[int]):
    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.start)


class TrainingLoader:
    """An endless iterable of batches. Batch k is the same for any number of workers and wherever the stream starts.

    Args:
        source: where pairs come from.
        order: which pairs make batch k.
        views: what is made of them.
        start: number of the first batch.
        workers: processes that read ahead; 0 reads in this one.
        prefetch: batches that each worker keeps ready.
        pin_memory: hand batches over in page-locked memory, for faster copies to a GPU; without one it does nothing.
        max_bad_share: share of bad examples above which reading stops, once `MEASURED` were read.

    Attributes:
        bad: what could not be used so far, in the batches handed out by this process.

    Raises:
        DataError: while iterating, when too many examples are bad.
    """

    def __init__(
        self,
        source: Source,
        order: TrainingOrder,
        views: Views,
        start: int = 0,
        workers: int = 0,
        prefetch: int = 2,
        pin_memory: bool = False,
        max_bad_share: float = 0.05,
    ) -> None:
        self.start = start
        self.max_bad_share = max_bad_share
        self.bad = BadSamples()
        self._loader = DataLoader(
            _Batches(source, order, views),
            batch_size=None,
            sampler=_Numbers(start),
            num_workers=workers,
            prefetch_factor=prefetch if workers else None,
            pin_memory=pin_memory and torch.cuda.is_available(),
            collate_fn=_as_it_is,
            generator=torch.Generator().manual_seed(0),  # else every iterator would draw a number from the global generator
        )

    def __iter__(self) -> Iterator[Batch]:
        for delivery in self._loader:
            self.bad.add(len(delivery.batch) if delivery.batch is not None else 0, delivery.bad)
            if delivery.batch is None:
                raise DataError(f"{delivery.failure}; bad examples so far: {self.bad.summary()}")
            self.bad.check(self.max_bad_share)
            yield delivery.batch


def _as_it_is(delivery: Any) -> Any:
    return delivery
