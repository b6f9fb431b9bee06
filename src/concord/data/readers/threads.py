"""Looking at many files at once, when a source is made."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")

READERS = 16  # threads: what they wait for is a disk or a network
MOMENT = 2.0  # seconds without a progress bar


def in_threads(work: Callable[[int], T], count: int, title: str) -> list[T]:
    """What `work` makes of 0, 1, ..., count - 1, by several threads; with a progress bar when it takes longer than a moment.

    Each process begins elsewhere, so that those of one run, which do the same at once, find what others have already stored.

    Args:
        work: is called by several threads at once; the first error that it raises ends the rest.
        count: at least 1.
        title: of the bar.
    """
    first = os.getpid() % count
    with ThreadPoolExecutor(READERS) as pool, _bar(title, count) as advance:
        numbers = {pool.submit(work, (first + step) % count): (first + step) % count for step in range(count)}
        try:
            for done in as_completed(numbers):
                done.result()
                advance()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    found = {number: future.result() for future, number in numbers.items()}
    return [found[number] for number in range(count)]


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Gives a function that is called whenever one is done."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"))
    bar = Progress(*columns, TimeRemainingColumn(), refresh_per_second=4)
    task = bar.add_task(title, total=total)
    started = time.monotonic()

    def advance() -> None:
        bar.advance(task)
        if time.monotonic() - started > MOMENT:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:  # else stopping writes an empty line
            bar.stop()
