"""From a source to an endless stream of batches, by any number of workers, from any point."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from concord.data.bad import BadSamples
from concord.data.batches import Batches, Delivery
from concord.data.meter import LoaderReport, Meter
from concord.data.order import TrainingOrder
from concord.data.source import Source, location_of
from concord.data.stages import Board, show_on
from concord.data.views import Views
from concord.data.watchdog import Watchdog, explain_death
from concord.errors import DataError
from concord.images import reuse_memory
from concord.types import Batch


class _Starts(Sampler[int]):
    """Positions at which global batches start."""

    def __init__(self, start: int, batch_size: int) -> None:
        self.start = start
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.start, self.batch_size)


class TrainingLoader:
    """An endless iterable of batches. A batch depends on the position where it starts, not on the number of workers.

    Args:
        source: where pairs come from.
        order: which pairs make a batch.
        views: what is made of them.
        start: position in the stream of the first batch's first example.
        workers: processes that read ahead; 0 reads in this one.
        prefetch: batches that each worker keeps ready.
        pin_memory: hand batches over in page-locked memory, for faster copies to a GPU; without one it does nothing.
        max_bad_share: share of bad examples above which reading stops, once enough were read to say so.
        stall_seconds: of waiting for one batch, after which a warning names what each reading process does; above 0.

    Attributes:
        bad: what could not be used so far, in the batches handed out by this process.

    Raises:
        ValueError: for `stall_seconds` outside its range.
        DataError: while iterating, when too many examples are bad, and when a reading process died.
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
        stall_seconds: float = 120.0,
    ) -> None:
        self.start = start
        self.workers = workers
        self.max_bad_share = max_bad_share
        self.bad = BadSamples()
        readers = max(1, workers)
        self._board = Board(readers)
        self._meter = Meter(readers)
        self._watchdog = Watchdog(self._board, partial(location_of, source), stall_seconds)
        self._loader = DataLoader(
            Batches(source, order, views),
            batch_size=None,
            sampler=_Starts(start, order.batch_size),
            num_workers=workers,
            prefetch_factor=prefetch if workers else None,
            pin_memory=pin_memory and torch.cuda.is_available(),
            collate_fn=_as_it_is,
            worker_init_fn=partial(_begin, self._board),
            generator=torch.Generator().manual_seed(0),  # else every iterator would draw a number from the global generator
        )

    def __iter__(self) -> Iterator[Batch]:
        with self._watchdog:
            for delivery in self._deliveries():
                self.bad.add(len(delivery.batch) if delivery.batch is not None else 0, delivery.bad)
                if delivery.batch is None:
                    raise DataError(f"{delivery.failure}; bad examples so far: {self.bad.summary()}")
                self.bad.check(self.max_bad_share)
                yield delivery.batch

    def report(self) -> LoaderReport:
        """What the batches took that were handed out since the last report."""
        return self._meter.take()

    def readers(self) -> list[int]:
        """Process ids of the reading processes that have started."""
        return [pid for slot in range(len(self._board)) if (pid := self._board.read(slot).pid) > 0]

    def explain(self, error: RuntimeError) -> DataError | None:
        """The user's side of PyTorch's error when a reading process dies, which can reach any line of the main process.

        None for other errors.
        """
        return explain_death(error, self._board, self._watchdog.locate, {})

    def _deliveries(self) -> Iterator[Delivery]:
        deliveries = iter(self._loader)
        try:
            while True:
                if not self.workers:
                    show_on(self._board, 0)
                asked = time.monotonic()
                with self._watchdog.waiting():
                    delivery = next(deliveries)
                self._meter.add(delivery, time.monotonic() - asked)
                yield delivery
        except RuntimeError as error:
            exit_codes = {process.pid: process.exitcode for process in getattr(deliveries, "_workers", [])}
            if (death := explain_death(error, self._board, self._watchdog.locate, exit_codes)) is None:
                raise
        finally:
            del deliveries  # a traceback that somebody keeps must not keep the workers
        raise death  # out here, so that it does not keep the traceback of the error that it explains


def _begin(board: Board, worker: int) -> None:
    """What a reading process does first."""
    show_on(board, worker)
    reuse_memory()
    gc.freeze()  # what was there before the fork is never garbage: not looked through again and again, and its pages stay shared


def _as_it_is(delivery: Any) -> Any:
    return delivery
