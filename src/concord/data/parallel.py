"""Going once through a source with several processes, in order: for looking at data and for converting them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from concord.errors import ConcordError, DataError

T = TypeVar("T")

CHUNK = 32
"""Examples that a process takes at once: few enough for a lively progress bar, many enough to hide what handing over costs."""


class _Chunks(Dataset[Any], Generic[T]):
    def __init__(self, work: Callable[[Sequence[int]], T], indices: Sequence[int]) -> None:
        self.work = work
        self.indices = indices

    def __getitem__(self, start: int) -> tuple[T | None, str]:
        try:
            return self.work(self.indices[start : start + CHUNK]), ""
        except ConcordError as error:  # handed over as text: errors that cross processes come back as stack traces
            return None, str(error)


def in_chunks(work: Callable[[Sequence[int]], T], indices: Sequence[int], workers: int) -> Iterator[tuple[int, T]]:
    """What `work` makes of each run of up to `CHUNK` indices, with its number of indices, in their order.

    Args:
        work: takes some of the indices; it may run in another process, and what it returns is pickled then.
        indices: of the examples, such as `range(len(source))`.
        workers: reading processes; 0 works in this one.

    Raises:
        DataError: when the work ends with a user's mistake, or a process dies.
    """
    starts = range(0, len(indices), CHUNK)
    seeded = torch.Generator().manual_seed(0)  # else every iterator would draw a number from the global generator
    loader = DataLoader(
        _Chunks(work, indices), batch_size=None, sampler=starts, num_workers=workers, collate_fn=_as_it_is, generator=seeded
    )
    try:
        for start, (done, failure) in zip(starts, loader, strict=True):
            if done is None:
                raise DataError(failure)
            yield min(CHUNK, len(indices) - start), done
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError("a reading process was killed, most likely for lack of memory; choose fewer task.workers") from None


def _as_it_is(value: Any) -> Any:
    return value
