"""Where a run takes place, and what is asked of SLURM for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TIME = re.compile(r"\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}")
_MEMORY = re.compile(r"\d+[KMGT]?")
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
_SET_HERE = {
    "account": "account",
    "array": "parallel",
    "chdir": None,
    "constraint": "constraint",
    "cpus-per-task": "cpus_per_task",
    "error": None,
    "exclude": "exclude",
    "gpus-per-node": "gpus_per_node",
    "job-name": "job_name",
    "mem": "memory",
    "nodes": "nodes",
    "ntasks-per-node": "tasks_per_node",
    "open-mode": None,
    "output": None,
    "partition": "partition",
    "qos": "qos",
    "requeue": None,
    "signal": "grace",
    "time": "time",
}
"""Options of sbatch that the script gives, and the key that says what; None for those that are always the same."""


@dataclass(frozen=True)
class Local:
    """In the process that was started, and in those that the trainer starts on this machine."""


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """As a job of SLURM, one process (a task, in SLURM's words) per GPU.

    Args:
        job_name: what `squeue` shows.
        nodes: machines, at least 1; what the trainer gets as its nodes.
        gpus_per_node: at least 0.
        tasks_per_node: processes on each machine, at least 1, as many as GPUs where there are any; the trainer's devices.
        cpus_per_task: cores of each process, its data workers included, at least 1.
        memory: of each machine, as SLURM writes it ("64G"); None for the cluster's default.
        time: limit, as SLURM writes it: minutes, "hours:minutes:seconds" or "days-hours"; None for the partition's default.
        partition, account, qos, constraint, exclude: as sbatch takes them; None to leave them out.
        parallel: elements of a sweep that run at the same time, at least 1.
        grace: seconds before the end of the time at which the run is told to stop, at least 1; more than a checkpoint and the longest
            pause between two steps take.
        requeues: how often the run may be started again after it was told to stop, at least 0.
        setup: lines of the shell before the run: modules, environments, variables.
        options: further options of sbatch by their long names; true for those without a value.
        srun: further options of srun, likewise.

    Raises:
        ValueError: a number out of its range, a value that SLURM would not read, or an option that has a key of its own.
    """

    job_name: str = "concord"
    nodes: int = 1
    gpus_per_node: int = 1
    tasks_per_node: int = 1
    cpus_per_task: int = 1
    memory: str | int | None = None
    time: str | int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    parallel: int = 16
    grace: int = 120
    requeues: int = 20
    setup: tuple[str, ...] = ()
    options: Mapping[str, str | int | bool] | None = None
    srun: Mapping[str, str | int | bool] | None = None

    def __post_init__(self) -> None:
        for name in ("nodes", "tasks_per_node", "cpus_per_task", "parallel", "grace"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("gpus_per_node", "requeues"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.gpus_per_node not in (0, self.tasks_per_node):
            raise ValueError(f"there is one process per GPU: gpus_per_node={self.gpus_per_node}, tasks_per_node={self.tasks_per_node}")
        if self.job_name in ("bash", "interactive"):
            raise ValueError(f"job_name={self.job_name} would make Lightning take the job for an interactive one; choose another name")
        if self.time is not None and not _TIME.fullmatch(str(self.time)):
            raise ValueError(f"time must be minutes, hours:minutes:seconds or days-hours, got {self.time!r}")
        if self.memory is not None and not _MEMORY.fullmatch(str(self.memory)):
            raise ValueError(f"memory must be a number of MiB, or one with K, M, G or T, got {self.memory!r}")
        self._check_lines()
        self._check_options()

    @property
    def processes(self) -> int:
        """Of the whole run."""
        return self.nodes * self.tasks_per_node

    def _check_lines(self) -> None:
        for name in ("job_name", "partition", "account", "qos", "constraint", "exclude"):
            value = getattr(self, name)
            if value is not None and (not value or not value.isprintable()):
                raise ValueError(f"{name} must be one line of text, got {value!r}")

    def _check_options(self) -> None:
        for where, options in {"options": self.options, "srun": self.srun}.items():
            for name, value in (options or {}).items():
                if not _OPTION.fullmatch(name):
                    raise ValueError(f"{where}: {name!r} is not the long name of an option, such as mail-type")
                if value is False or not str(value).isprintable():
                    raise ValueError(f"{where}: {name} must be true or one line of text, got {value!r}")
        for name in self.options or {}:
            if name in _SET_HERE:
                key = _SET_HERE[name]
                raise ValueError(f"options: {name} is set by {'concord itself' if key is None else 'launcher.' + key}")
