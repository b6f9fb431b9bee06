"""One process of two stops for an error: the other ends too, at once and with its message."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from concord.distributed import Alarm
from concord.errors import DataError
from concord.training import StopTogether
from concord.training.callbacks.together import exit_code
from tests.conftest import ROOT
from tests.launched_processes import ends_of
from tests.processes import run_on_ranks
from tests.training.tiny import tiny_run

Start = Callable[..., tuple[int | None, str]]


def started_by_lightning(*arguments: str) -> tuple[int | None, str]:
    command = [sys.executable, "-m", "tests.training.callbacks.failing_run", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stderr


def started_one_by_one(*arguments: str) -> tuple[int | None, str]:
    """As by SLURM; the first process speaks for the run."""
    first, second = ends_of("tests.training.callbacks.failing_run:run", 2, *arguments)
    return first.code, first.said + second.said


@pytest.mark.parametrize(
    ("start", "rank", "error", "code"),
    [
        (started_one_by_one, 0, "DataError", 2),
        (started_by_lightning, 1, "DataError", 2),
        (started_one_by_one, 1, "DataError", 2),
        (started_one_by_one, 1, "KeyError", 1),
    ],
)
def test_the_others_end_with_the_one_that_fails(start: Start, rank: int, error: str, code: int, tmp_path: Path) -> None:
    words = "21.0% of 100 examples are bad"
    started = time.monotonic()
    ended, said = start(str(rank), error, words, str(tmp_path / "run"))
    assert ended == code, said[-3000:]
    assert time.monotonic() - started < 200  # gloo by itself waits for half an hour
    if code == 2:
        assert "Traceback" not in said
        assert f"concord: {words}" in said.splitlines()
    if rank == 1:
        assert any(line.startswith("concord: process 1 of 2 stopped: ") and words in line for line in said.splitlines())
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "failed"
    assert words in record["error"]


def _ring_and_hear() -> list[object]:
    import torch.distributed as dist

    before = Alarm.heard()
    dist.barrier()
    if dist.get_rank() == 1:
        Alarm.ring("too many bad examples", 2)
    dist.barrier()
    return [before, Alarm.heard()]


def test_a_word_reaches_the_others_beside_the_collectives(tmp_path: Path) -> None:
    assert run_on_ranks(_ring_and_hear, 2, tmp_path) == [[None, ("too many bad examples", 2)]] * 2


def test_one_process_alone_has_nobody_to_tell(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=2, callbacks=[StopTogether()])
    assert Alarm.heard() is None
    assert not Alarm.ring("word", 1)
    assert exit_code(DataError("x")) == 2
    assert exit_code(KeyError("x")) == 1
