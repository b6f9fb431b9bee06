"""What has to be right before a run is sent to a cluster, so that it does not fail there after hours of waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from concord.config import TARGET, build
from concord.errors import ConfigError, IncompatibleError
from concord.launching import Local, Run, Slurm
from concord.tasks.assemble import check_config

PARALLEL = ("train", "evaluate")
"""Tasks whose processes share the work."""


def build_launcher(cfg: Mapping[str, Any]) -> Local | Slurm:
    """Where the run shall take place.

    Raises:
        ConfigError: for a wrong value, and for what cannot be had together with the trainer, the task or a dry run.
    """
    launcher: Local | Slurm = build(cfg["launcher"], "launcher")
    if not isinstance(cfg["dry_run"], bool):
        raise ConfigError(f"dry_run: expected true or false, got {cfg['dry_run']!r}")
    if isinstance(launcher, Slurm):
        _check_trainer(launcher, cfg["trainer"])
        task = cfg["task"][TARGET].rpartition(".")[2]
        if launcher.processes > 1 and task not in PARALLEL:
            raise IncompatibleError(f"task={task} works in one process, and the launcher would start {launcher.processes} of them")
    elif cfg["dry_run"]:
        raise ConfigError("dry_run=true prints the script of a job, and launcher=local has none; add launcher=slurm")
    return launcher


def plan_launch(cfg: Mapping[str, Any], folder: Path, arguments: Sequence[str]) -> Run | None:
    """The run that a job shall do, checked as far as it can be without the data; None with the local launcher.

    Args:
        cfg: the resolved configuration.
        folder: the run folder, absolute.
        arguments: the command line that made the configuration, without the run folder.
    """
    launcher = build_launcher(cfg)
    if isinstance(launcher, Local):
        return None
    if "resume" in cfg["task"]:  # the same command, given again, goes on where the run stopped
        check_config(cfg)
        arguments = [*(argument for argument in arguments if not argument.startswith("resume=")), "resume=auto"]
    return Run(folder, tuple(argument for argument in arguments if not argument.startswith("dry_run=")), launcher)


def _check_trainer(launcher: Slurm, trainer: Mapping[str, Any]) -> None:
    for theirs, ours in {"nodes": "nodes", "devices": "tasks_per_node"}.items():
        if trainer.get(theirs) != getattr(launcher, ours):
            raise IncompatibleError(
                f"trainer.{theirs}={trainer.get(theirs)} and launcher.{ours}={getattr(launcher, ours)} disagree; "
                f"set launcher.{'gpus_per_node' if launcher.gpus_per_node and theirs == 'devices' else ours} alone, the trainer follows"
            )
    accelerator = trainer.get("accelerator")
    if (accelerator == "gpu" and launcher.gpus_per_node == 0) or (accelerator == "cpu" and launcher.gpus_per_node > 0):
        found = f"trainer.accelerator={accelerator} and launcher.gpus_per_node={launcher.gpus_per_node}"
        way = "launcher.gpus_per_node=0 launcher.tasks_per_node=N" if accelerator == "cpu" else "launcher.gpus_per_node=N"
        raise IncompatibleError(f"{found} disagree; set {way}")
