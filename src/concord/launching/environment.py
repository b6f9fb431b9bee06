"""What a process can know of itself before any process group exists."""

from __future__ import annotations

import os
from pathlib import Path

LAUNCHED = "CONCORD_LAUNCHED"
"""Holds the run folder inside of a job, so that the command which submitted it does its work there instead of submitting it again."""


def is_launched(folder: Path) -> bool:
    """Whether this process belongs to the job that was submitted for this run."""
    return os.environ.get(LAUNCHED) == str(folder)


def process_index() -> int:
    """This process among those of its run, as torchrun, SLURM or Lightning number them; 0 where one process runs alone."""
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0
