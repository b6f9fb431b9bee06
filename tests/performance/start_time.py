"""Time from the command to the end of the first optimizer step of the quickstart, and where it goes.

    python tests/performance/start_time.py
    python tests/performance/start_time.py --runs 3 method=siglip data.workers=0

It runs `run.py experiment=quickstart trainer.max_steps=1 benchmark=off`, with further overrides where they are given, once to warm
the files and then several times, and prints the medians of each phase: seconds by the clock, and processor seconds of the process
and its reading workers, which hardly change where other programs hold the cores. The clock starts before the process is created.
Marks between the phases are set by wrapping the functions that begin or end them; what comes after the step is not counted.

A last run under `python -X importtime` tells which packages the imports before the first step belong to; a package that another one
brings in counts by itself. Measuring adds to each import, so that the sum is larger than what the phases say.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import describe

ROOT = Path(__file__).resolve().parents[2]
TARGET = 12.0
MARK = "concord mark:"
OVERRIDES = ("experiment=quickstart", "trainer.max_steps=1", "benchmark=off")
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")

Phases = dict[str, tuple[float, float]]
"""Seconds by the clock and of processors since the process was asked for, at the end of each phase."""


def mark(phase: str) -> None:
    """Say that a phase has ended."""
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    busy = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
    print(f"{MARK}{phase}:{time.time()}:{busy + _living()}", file=sys.stderr, flush=True)


def _living() -> float:
    """Processor seconds of the child processes that still run."""
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def marked(owner: Any, name: str, before: str | None = None, after: str | None = None) -> None:
    """Set marks around a function of a module or class."""
    function: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before is not None:
            mark(before)
        value = function(*args, **kwargs)
        if after is not None:
            mark(after)
        return value

    setattr(owner, name, wrapped)


def run_with_marks(overrides: list[str]) -> None:
    """`run.py` in this process, with marks between its phases."""
    mark("start of Python")
    from concord import cli

    mark("imports: the command line (Hydra)")
    hidden = cli.hidden

    @contextmanager
    def importing(name: str) -> Iterator[None]:
        mark("composition of the configuration")
        with hidden(name):
            yield
        mark("imports: everything else")
        mark_tasks()

    cli.hidden = importing
    sys.argv = [str(ROOT / "run.py"), *overrides]
    runpy.run_path(sys.argv[0], run_name="__main__")


def mark_tasks() -> None:
    """Marks inside `task=train`."""
    from lightning.pytorch.core.optimizer import LightningOptimizer

    from concord.tasks import assemble
    from concord.training import RandomStates, StartSummary

    train = sys.modules["concord.tasks.train"]
    marked(train, "check_config", after="check of the configuration")
    marked(assemble, "build_tokenizer", before="data and benchmark", after="vocabulary")
    marked(train, "assemble", after="model, method and views")
    marked(train, "fit", before="trainer, callbacks and loggers")
    marked(StartSummary, "on_train_start", after="set-up of the training, start of the workers")
    marked(RandomStates, "on_train_batch_start", before="first batch")
    marked(LightningOptimizer, "step", after="first step")


def run_apart(overrides: list[str], *options: str) -> tuple[Phases, str]:
    """One run in a process of its own: its phases, and what else it wrote to stderr before the first step's end."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *options, __file__, "--inside", *overrides, f"hydra.run.dir={folder}/run"]
        start = time.time()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    phases, before = {}, []
    for line in done.stderr.splitlines():
        if line.startswith(MARK):
            phase, moment, busy = line.removeprefix(MARK).rsplit(":", 2)
            phases[phase] = (float(moment) - start, float(busy))
        elif "first step" not in phases:
            before.append(line)
    return phases, "\n".join(before)


def show_phases(runs: list[Phases]) -> float:
    """Print the median length of each phase; return the median of the whole."""
    print(f"{'phase':<48}{'seconds':>9}{'processor s':>13}")
    names = list(runs[0])
    for name, earlier in zip(names, [None, *names], strict=False):
        lengths = [[run[name][i] - (run[earlier][i] if earlier is not None else 0.0) for run in runs] for i in (0, 1)]
        print(f"{name:<48}{statistics.median(lengths[0]):>9.2f}{statistics.median(lengths[1]):>13.2f}")
    totals = [[run[names[-1]][i] for run in runs] for i in (0, 1)]
    seconds = statistics.median(totals[0])
    print(f"{'all':<48}{seconds:>9.2f}{statistics.median(totals[1]):>13.2f}")
    print(f"every run: {' '.join(f'{total:.2f}' for total in totals[0])} s (target: at most {TARGET:.0f} s)")
    return seconds


def show_packages(log: str, count: int = 24) -> None:
    """Print the packages whose modules took longest to import, by themselves."""
    seconds: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for line in log.splitlines():
        if found := IMPORT.match(line):
            package = found[2].partition(".")[0]
            seconds[package] += int(found[1]) / 1e6
            modules[package] += 1
    print(f"\n{'imports before the first step':<32}{'seconds':>9}{'modules':>9}")
    for package, spent in seconds.most_common(count):
        print(f"{package:<32}{spent:>9.2f}{modules[package]:>9}")
    print(f"{'all':<32}{seconds.total():>9.2f}{modules.total():>9}")


def main() -> int:
    if sys.argv[1:2] == ["--inside"]:
        run_with_marks(sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("overrides", nargs="*", help="further overrides of the run")
    arguments = parser.parse_args()
    overrides = [*OVERRIDES, *arguments.overrides]
    print(describe())
    run_apart(overrides)
    seconds = show_phases([run_apart(overrides)[0] for _ in range(arguments.runs)])
    show_packages(run_apart(overrides, "-X", "importtime")[1])
    return 0 if seconds <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
