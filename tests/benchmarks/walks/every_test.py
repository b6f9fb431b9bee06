"""Every option of conf/test, composed as a run composes it, on its tiny data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from concord.benchmarks import Task
from concord.config import build
from tests.composing import compose_config, options
from tests.conftest import ROOT

Write = Callable[[Path], None]

TESTS = options("test")
TOGETHER = 16
"""How many are composed in one command line."""


@cache
def fixtures() -> dict[str, Write]:
    """By test a function that writes its tiny data below the folder of all benchmarks: the `FIXTURES` of every `*_fixtures.py`."""
    files = [*(ROOT / "tests/data/benchmarks").glob("*_fixtures.py"), *(ROOT / "tests/data/medical").rglob("*_fixtures.py")]
    modules = [import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)) for path in sorted(files)]
    return {name: write for module in modules for name, write in getattr(module, "FIXTURES", {}).items()}


def write_data(name: str, data: Path) -> None:
    """The data of a test below a folder.

    Raises:
        LookupError: where no fixture has the name of the test.
    """
    if name not in fixtures():
        raise LookupError(f"conf/test/{name}.yaml has no fixture of this name in a *_fixtures.py of tests/data")
    fixtures()[name](data)


@cache
def _composed(names: tuple[str, ...], data: Path) -> dict[str, dict[str, Any]]:
    added = [f"+test@benchmark.tasks.{name}={name}" for name in names]
    cfg = compose_config("task=evaluate", "benchmark=off", f"benchmark_data={data}", *added)
    tasks: dict[str, dict[str, Any]] = cfg["benchmark"]["tasks"]
    return tasks


def node_of(name: str, data: Path) -> dict[str, Any]:
    """The configuration of a test, not to be changed. Some are composed together: one by one, or all at once, takes longer."""
    start = TESTS.index(name) // TOGETHER * TOGETHER
    return _composed(tuple(TESTS[start : start + TOGETHER]), data)[name]


def task_of(name: str, data: Path) -> Task:
    """A test, built strictly."""
    task = build(node_of(name, data), f"benchmark.tasks.{name}")
    assert isinstance(task, Task)
    return task
