"""The progress bar of tasks that go through data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar for `total` examples; gives a function that is told how many more are done. A log file gets its last state only."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), refresh_per_second=4) as bar:
        task = bar.add_task(title, total=total, speed="")

        def report(done: int) -> None:
            bar.update(task, advance=done, speed=_speed(bar, task))

        yield report


def _speed(bar: Progress, task: TaskID) -> str:
    speed = bar.tasks[task].speed
    return f"{speed:,.0f}/s" if speed is not None else ""
