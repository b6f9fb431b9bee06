"""The script of a job: what SLURM is asked for, then the same command that a user would type, once per process."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concord.errors import IncompatibleError, LaunchError, MissingExtraError
from concord.launching.environment import LAUNCHED
from concord.launching.settings import Slurm

_GO_ON_LATER = (
    f"{os.EX_TEMPFAIL} | {128 + signal.SIGUSR1}"  # how `run.py` ends after SIGUSR1, and how a process does that did not listen yet
)


@dataclass(frozen=True)
class Run:
    """One run to be launched.

    Args:
        folder: where everything goes, absolute; all processes share it.
        arguments: of `run.py`.
        slurm: what it needs.
    """

    folder: Path
    arguments: tuple[str, ...]
    slurm: Slurm


def log_folder(runs: Sequence[Run]) -> Path:
    """Where the output of the jobs goes: into the run folder, or that of the sweep."""
    return (runs[0].folder if len(runs) == 1 else runs[0].folder.parent) / "slurm"


def job_script(runs: Sequence[Run], program: Path) -> str:
    """The text of the script that submits these runs: one job, or one array with an element for each run.

    Args:
        runs: at least one.
        program: `run.py`.

    Raises:
        IncompatibleError: when they ask for different things, which one array cannot have.
        LaunchError: a folder whose name holds line breaks or the like.
        MissingExtraError: without submitit.
    """
    slurm = runs[0].slurm
    for path in (Path.cwd(), *(run.folder for run in runs)):
        if not str(path).isprintable():
            raise LaunchError(f"launcher=slurm: a job cannot be told of the folder {str(path)!r}; choose another name")
    for run in runs:
        if (other := _differing(slurm, run.slurm)) is not None:
            raise IncompatibleError(f"launcher.{other} differs within the sweep, which is one array of equal jobs; launch them one by one")
    try:
        from submitit.slurm.slurm import _make_sbatch_string
    except ImportError as error:
        raise MissingExtraError("submitit", "slurm") from error
    body = "\n".join([*_choice(runs), "", *_start(runs[0], program), "", *_end(slurm, array=len(runs) > 1)])
    return _make_sbatch_string(command=body, folder=log_folder(runs), use_srun=False, **_parameters(runs)) + "\n"


def _differing(one: Slurm, other: Slurm) -> str | None:
    """The first setting in which two jobs differ, but for their names."""
    names = (name for name in vars(one) if name != "job_name")
    return next((name for name in names if getattr(one, name) != getattr(other, name)), None)


def _parameters(runs: Sequence[Run]) -> dict[str, Any]:
    """As submitit takes them."""
    slurm, array = runs[0].slurm, len(runs) > 1
    log = str(log_folder(runs)).replace("%", "%%") + ("/%A_%a.log" if array else "/%j.log")
    further = {"chdir": str(Path.cwd()), "output": log, "requeue": True, "signal": f"USR1@{slurm.grace}", **(slurm.options or {})}
    if slurm.memory is not None:
        further["mem"] = slurm.memory
    same = ("job_name", "nodes", "cpus_per_task", "time", "partition", "account", "qos", "constraint", "exclude")
    return {
        **{name: getattr(slurm, name) for name in same},
        "ntasks_per_node": slurm.tasks_per_node,
        "gpus_per_node": slurm.gpus_per_node or None,
        "array_parallelism": slurm.parallel,
        "map_count": len(runs) if array else None,
        "setup": list(slurm.setup) or None,
        "stderr_to_stdout": True,
        "wckey": None,
        "additional_parameters": further,
    }


def _choice(runs: Sequence[Run]) -> list[str]:
    """Lines that set `run_folder` and `arguments`."""
    if len(runs) == 1:
        return _arguments(runs[0])
    cases = [[f"{number})", *(f"    {line}" for line in _arguments(run)), "    ;;"] for number, run in enumerate(runs)]
    return ['case "$SLURM_ARRAY_TASK_ID" in', *(line for case in cases for line in case), "esac"]


def _arguments(run: Run) -> list[str]:
    return [f"run_folder={shlex.quote(str(run.folder))}", "arguments=(", *(f"    {shlex.quote(text)}" for text in run.arguments), ")"]


def _start(run: Run, program: Path) -> list[str]:
    further = [f"--{name}" if value is True else f"--{name}={value}" for name, value in sorted((run.slurm.srun or {}).items())]
    options = ["--kill-on-bad-exit=1", "--label", f"--cpus-per-task={run.slurm.cpus_per_task}", *further]
    python = shlex.join([sys.executable, "-u", str(program)])  # srun --unbuffered would give each process a terminal
    return [f'export {LAUNCHED}="$run_folder"', f"srun {shlex.join(options)} \\", f'    {python} "${{arguments[@]}}"', "code=$?"]


def _end(slurm: Slurm, array: bool) -> list[str]:
    job = '"${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"' if array else '"$SLURM_JOB_ID"'
    return [
        'case "$code" in',
        "0) ;;",
        f"{_GO_ON_LATER})",
        f'    if [ "${{SLURM_RESTART_COUNT:-0}}" -lt {slurm.requeues} ]; then',
        '        echo "concord: stopped by SIGUSR1 and requeued; goes on in $run_folder"',
        f"        scontrol requeue {job} && exit 0",
        "    else",
        f'        echo "concord: stopped by SIGUSR1 and not requeued: launcher.requeues={slurm.requeues}; resume=$run_folder goes on"',
        "    fi",
        "    ;;",
        "137)",
        '    echo "concord: a process was killed, for want of memory as a rule (exit code 137); resume=$run_folder goes on" ;;',
        '*) echo "concord: the run in $run_folder ended with exit code $code; the reason stands above" ;;',
        "esac",
        'exit "$code"',
    ]
