"""Handing a script to sbatch."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from concord.errors import LaunchError, MissingExtraError
from concord.launching.script import Run, log_folder


@dataclass(frozen=True)
class Submitted:
    """A job that SLURM has taken.

    Args:
        job: its id.
        script: what was handed over.
        runs: what it runs; several are the elements of an array.
    """

    job: str
    script: Path
    runs: tuple[Run, ...]

    def describe(self) -> str:
        """What the terminal shows."""
        log = log_folder(self.runs) / (f"{self.job}_0.log" if len(self.runs) > 1 else f"{self.job}.log")
        folders = [f"  {number}: {run.folder}" for number, run in enumerate(self.runs)] if len(self.runs) > 1 else []
        where = self.runs[0].folder if len(self.runs) == 1 else f"{len(self.runs)} runs in {self.runs[0].folder.parent}"
        hints = [f"watch: squeue --job={self.job}; tail -F {log}", f"stop:  scancel {self.job}"]
        return "\n".join([f"submitted job {self.job}: {where}", *folders, *hints])


def submit(text: str, runs: Sequence[Run]) -> Submitted:
    """Submit a script.

    Args:
        text: as `job_script` wrote it.
        runs: those that it runs.

    Raises:
        LaunchError: there is no sbatch here, or it refuses the job; with its words.
        MissingExtraError: without submitit.
    """
    if shutil.which("sbatch") is None:
        raise LaunchError("launcher=slurm: there is no sbatch here; submit from a machine of the cluster, or look with dry_run=true")
    try:
        from submitit.core.utils import CommandFunction, FailedJobError
        from submitit.slurm.slurm import SlurmExecutor
    except ImportError as error:
        raise MissingExtraError("submitit", "slurm") from error
    script = log_folder(runs) / "job.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text, encoding="utf-8")
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what it raises as well
            answer = CommandFunction(["sbatch", str(script)], verbose=False)()
    except FailedJobError as error:
        words = "; ".join(line.removeprefix("sbatch: error: ") for line in str(error).splitlines() if line.strip())
        raise LaunchError(f"launcher=slurm: sbatch refused the job: {words}") from None
    return Submitted(SlurmExecutor._get_job_id_from_submission_command(answer), script, tuple(runs))
