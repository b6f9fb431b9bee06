"""What `run.py` can do, one function each. Only here does the configuration exist; everything below receives built parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from concord.config import TARGET, check, locate
from concord.errors import ConfigError, nearest
from concord.launching import Run, is_launched
from concord.tasks.catalog import catalog
from concord.tasks.compare import compare
from concord.tasks.evaluate import evaluate
from concord.tasks.export import export
from concord.tasks.inspect import inspect
from concord.tasks.launch import plan_launch
from concord.tasks.negatives import negatives
from concord.tasks.plan import plan
from concord.tasks.prepare import prepare
from concord.tasks.profile_data import profile_data
from concord.tasks.report import report
from concord.tasks.train import train

__all__ = [
    "catalog",
    "compare",
    "evaluate",
    "export",
    "inspect",
    "negatives",
    "plan",
    "prepare",
    "profile_data",
    "report",
    "run",
    "to_launch",
    "train",
]

TASK_KEYS = ("resume", "checkpoint", "runs", "output")
RUN_KEYS = ("name", "group", "seed", "task", "preprocess", "model", "tokenizer", "method", "data", "benchmark", "benchmark_data", "scorer")
TRAINING_KEYS = ("optimizer", "schedule", "compute", "tuning", "trainer", "logger", "callbacks")
LAUNCH_KEYS = ("launcher", "dry_run")


def run(cfg: dict[str, Any], folder: Path) -> Any:
    """Do the configured task.

    Args:
        cfg: the resolved configuration, plain values.
        folder: this run's folder; it exists.

    Raises:
        ConfigError: for wrong values, and for a top-level key that the task does not read.
    """
    _check_keys(cfg)
    node = cfg["task"]
    arguments = {key: value for key, value in node.items() if key != TARGET}
    return locate(node[TARGET], "task")(cfg=cfg, folder=folder, **arguments)


def to_launch(cfg: dict[str, Any], folder: Path, arguments: Sequence[str]) -> Run | None:
    """The run that a cluster shall do; None where it is to be done here: by this machine, or inside of the job itself.

    Args:
        cfg, folder: as for `run`.
        arguments: the command line that made the configuration, without the run folder.

    Raises:
        ConfigError: as `run` does, and for what would fail on the cluster.
    """
    _check_keys(cfg)
    return None if is_launched(folder) else plan_launch(cfg, folder, arguments)


def _check_keys(cfg: dict[str, Any]) -> None:
    known = (*TASK_KEYS, *RUN_KEYS, *TRAINING_KEYS, *LAUNCH_KEYS)
    for key in cfg:
        if key not in known:
            raise ConfigError(f"{key}: nothing reads this key; {nearest(key, known)}")
    node = cfg["task"]
    for key in TASK_KEYS:
        if cfg[key] is not None and key not in node:
            raise ConfigError(f"{key} is not read by task={node[TARGET].rpartition('.')[2]}; remove it")
    check(node, "task", injected=("cfg", "folder"))
