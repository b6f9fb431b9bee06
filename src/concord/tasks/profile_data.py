"""`task=profile_data`: how fast the data can be read, before a launch."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from concord.data import WebDataModule
from concord.data.meter import LoaderReport
from concord.data.stages import STAGES
from concord.errors import ConfigError
from concord.files import write_json
from concord.tasks.assemble import assemble_data, check_config
from concord.tasks.guard import keep_to_owner
from concord.tasks.record import save_config


@dataclass(frozen=True)
class Measurement:
    """What a number of workers achieved.

    Attributes:
        workers: reading processes; 0 is the main process.
        examples_per_second: that the main process received, doing nothing else.
        milliseconds: per example, by stage, of the reading processes' time; "wait" of the main process's.
        megabytes_per_second: of the images as they are stored; 0 for sources that paint them.
        busy: share of the time in which a reading process worked, mean over them.
        megabytes: memory of the largest reading process; None where the system does not tell.
        truncated: share of the captions that were cut.
        read, bad: examples tried since the start, and by cause those of them that could not be used.
    """

    workers: int
    examples_per_second: float
    milliseconds: dict[str, float]
    megabytes_per_second: float
    busy: float
    megabytes: float | None
    truncated: float
    read: int
    bad: dict[str, int]


def profile_data(
    cfg: dict[str, Any], folder: Path, workers: list[int], seconds: float, batches: int | None, target: float | None
) -> list[Measurement]:
    """Read the configured data as training would, with each number of workers; the folder gets `profile.json`.

    Args:
        cfg: the resolved configuration; its method says which views are made.
        folder: this job's folder.
        workers: numbers of reading processes to measure, each at least 0.
        seconds: to measure each of them for, above 0.
        batches: stop earlier, after so many batches, at least 1.
        target: examples per second that one training process takes, above 0.

    Raises:
        ConfigError: for wrong values.
        DataError: for data that training could not use.
    """
    _check_settings(workers, seconds, batches, target)
    check_config(cfg)
    save_config(cfg, folder)
    data = assemble_data(cfg)
    keep_to_owner(folder, [data.source])
    console = Console()
    found = []
    for count in workers:
        with console.status(f"reading {data.source.name} with {count} workers"):
            found.append(measure_reading(data, count, seconds, batches))
    said = verdict(found, target, available_cores())
    _show(console, data, found, said)
    about = {"data": data.source.name, "path": data.path, "batch_size": data.batch_size, "cores": available_cores()}
    write_json(folder / "profile.json", {**about, "target": target, "verdict": said, "measurements": [asdict(one) for one in found]})
    return found


def measure_reading(data: WebDataModule, workers: int, seconds: float, batches: int | None) -> Measurement:
    """Read for a time, after a first batch of every worker."""
    data.workers = workers
    loader = data.train_dataloader()
    stream = iter(loader)
    for _ in range(max(1, workers)):
        next(stream)
    loader.report()
    end, taken = time.monotonic() + seconds, 0
    while taken == 0 or (time.monotonic() < end and taken != batches):
        next(stream)
        taken += 1
    report = loader.report()
    memory = [found for pid in loader.readers() if (found := megabytes_of(pid)) is not None]
    return _measurement(workers, report, max(memory, default=None), loader.bad.read, dict(loader.bad.causes))


def _measurement(workers: int, report: LoaderReport, megabytes: float | None, read: int, bad: dict[str, int]) -> Measurement:
    return Measurement(
        workers=workers,
        examples_per_second=report.examples_per_second,
        milliseconds={name: report.milliseconds(name) for name in (*STAGES, "wait")},
        megabytes_per_second=report.read_bytes / report.seconds / 1e6,
        busy=sum(report.busy) / len(report.busy),
        megabytes=megabytes,
        truncated=report.truncated_share,
        read=read,
        bad=bad,
    )


def verdict(found: Sequence[Measurement], target: float | None, cores: int) -> str:
    """How many workers reach the target, in one line; what was not measured is called an estimate."""
    best = max(found, key=lambda one: one.examples_per_second)
    fastest = f"{best.examples_per_second:,.0f} examples/s with {_workers(best.workers)}"
    if target is None:
        return f"at most {fastest}; task.target=N tells how many workers reach N examples/s"
    reaching = [one for one in found if one.examples_per_second >= target]
    if reaching:
        least = min(reaching, key=lambda one: one.workers)
        return f"{target:,.0f} examples/s were reached with {_workers(least.workers)} (measured: {least.examples_per_second:,.0f})"
    measured = [one for one in found if one.workers > 0]
    if not measured:
        return f"{target:,.0f} examples/s were not reached: at most {fastest}; measure more workers, as in task.workers=[2,4]"
    widest = max(measured, key=lambda one: one.examples_per_second)
    needed = math.ceil(target * widest.workers / widest.examples_per_second)
    return (
        f"{target:,.0f} examples/s were not reached: at most {fastest}; an estimate, if every worker reads as much as with "
        f"{_workers(widest.workers)} and has a core of its own: {_workers(needed)} (this machine has {cores} cores)"
    )


def megabytes_of(pid: int) -> float | None:
    """Memory of a process, pages that it shares with others counted in part (Linux: the proportional set size)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Pss:")), None)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_settings(workers: Sequence[int], seconds: float, batches: int | None, target: float | None) -> None:
    if not workers or min(workers) < 0:
        raise ConfigError(f"task.workers must be numbers of at least 0, as in task.workers=[0,2,4], got {list(workers)}")
    if not seconds > 0:
        raise ConfigError(f"task.seconds must be above 0, got {seconds}")
    if batches is not None and batches < 1:
        raise ConfigError(f"task.batches must be at least 1 or null, got {batches}")
    if target is not None and not target > 0:
        raise ConfigError(f"task.target must be above 0 or null, got {target}")


def _show(console: Console, data: WebDataModule, found: Sequence[Measurement], said: str) -> None:
    """One column per number of workers."""
    title = f"reading {data.source.name} in batches of {data.batch_size}; times per example"
    table = Table("", *(_workers(one.workers) for one in found), title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("examples/s", *(f"{one.examples_per_second:,.0f}" for one in found))
    for name in STAGES:
        table.add_row(f"{name}, ms of a worker", *(f"{one.milliseconds[name]:.3f}" for one in found))
    table.add_row("wait, ms of training", *(f"{one.milliseconds['wait']:.3f}" for one in found))
    table.add_row("workers busy", *(f"{one.busy:.0%}" for one in found))
    table.add_row("images read, MB/s", *(f"{one.megabytes_per_second:,.1f}" for one in found))
    table.add_row("memory of a worker, MB", *(f"{one.megabytes:,.0f}" if one.megabytes is not None else "?" for one in found))
    table.add_row("captions cut", *(f"{one.truncated:.1%}" for one in found))
    table.add_row("bad examples", *(f"{sum(one.bad.values()):,} of {one.read:,}" for one in found))
    console.print(table)
    console.print(said, markup=False, soft_wrap=True)


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"
