"""What SLURM would refuse, or read as something else, is refused before."""

from __future__ import annotations

import re
from typing import Any

import pytest

from concord.launching import Slurm

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"nodes": 0}, "nodes must be at least 1"),
    ({"tasks_per_node": 0, "gpus_per_node": 0}, "tasks_per_node must be at least 1"),
    ({"gpus_per_node": -1}, "gpus_per_node must be at least 0"),
    ({"gpus_per_node": 4, "tasks_per_node": 2}, "one process per GPU"),
    ({"time": "a day"}, "time must be"),
    ({"time": "1:2:3"}, "time must be"),
    ({"memory": "64 GB"}, "memory must be"),
    ({"partition": "a\n#SBATCH --uid=0"}, "partition must be one line"),
    ({"account": ""}, "account must be one line"),
    ({"job_name": "interactive"}, "job_name=interactive"),
    ({"grace": 0}, "grace must be at least 1"),
    ({"requeues": -1}, "requeues must be at least 0"),
    ({"options": {"time": 3}}, "options: time is set by launcher.time"),
    ({"options": {"output": "x"}}, "options: output is set by concord itself"),
    ({"options": {"mail_type": "END"}}, "options: 'mail_type' is not the long name"),
    ({"options": {"comment": "a\nb"}}, "options: comment must be true or one line"),
    ({"srun": {"exclusive": False}}, "srun: exclusive must be true or one line"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG, ids=[f"{next(iter(settings))}-{n}" for n, (settings, _) in enumerate(WRONG)])
def test_wrong_values(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Slurm(**settings)


@pytest.mark.parametrize("time", [30, "90", "30:00", "24:00:00", "2-12", "2-12:30:00"])
def test_times_as_slurm_writes_them(time: str | int) -> None:
    assert Slurm(time=time).time == time


def test_processes_of_the_whole_run() -> None:
    assert Slurm(nodes=4, gpus_per_node=8, tasks_per_node=8).processes == 32
