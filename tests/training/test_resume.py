"""A run that is killed at any moment and resumed ends with the weights of a run that was never stopped, to the bit."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from concord.training import CSVLogger
from concord.training.loggers.csv import read_rows
from tests.forked import SERVER, start_afresh
from tests.training.tiny import tiny_run, weights


class Killer(L.Callback):
    """kill -9 after a step, from inside."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_while_writing(write_number: int) -> None:
    """kill -9 when half of the n-th checkpoint is on the disk."""
    whole, written = torch.save, []

    def half(content: object, file: object) -> None:
        written.append(1)
        whole(content, file)
        if len(written) == write_number:
            size = file.tell()  # type: ignore[attr-defined]
            file.flush()  # type: ignore[attr-defined]
            os.truncate(file.fileno(), size // 2)  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = half  # type: ignore[assignment]


def train_until_killed(environment: dict[str, str], folder: Path, how: str, number: int) -> None:
    start_afresh({**environment, "OMP_NUM_THREADS": "1"})
    if how == "write":
        kill_while_writing(number)
    tiny_run(folder, callbacks=[Killer(number)] if how == "step" else [])


def run_killed(folder: Path, how: str, number: int) -> int | None:
    process = SERVER.Process(target=train_until_killed, args=(dict(os.environ), folder, how, number))
    process.start()
    process.join(120)
    return process.exitcode


@pytest.mark.parametrize(("how", "number"), [("step", 13), ("write", 3)])
def test_killed_and_resumed_equals_undisturbed(tmp_path: Path, how: str, number: int) -> None:
    trainer, undisturbed = tiny_run(tmp_path / "undisturbed")
    assert run_killed(tmp_path / "killed", how, number) == -signal.SIGKILL
    checkpoint = torch.load(tmp_path / "killed" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 10  # the one before: at 15 it was dead, or half-way through
    resumed_trainer, resumed = tiny_run(tmp_path / "killed", resume=True)
    assert resumed_trainer.global_step == trainer.global_step == 20
    assert resumed.losses == undisturbed.losses[10:]
    assert torch.equal(weights(resumed), weights(undisturbed))
    # The log is that of a run that was never stopped, and no half-written file is left.
    assert read_rows(tmp_path / "killed" / "metrics.csv") == read_rows(tmp_path / "undisturbed" / "metrics.csv")
    kept = ["last.ckpt", "step_000000015.ckpt", "step_000000020.ckpt"]
    assert sorted(path.name for path in (tmp_path / "killed" / "checkpoints").iterdir()) == kept


def crashing_run(folder: Path, step: int, **settings: Any) -> None:
    with pytest.raises(Crash):
        tiny_run(folder, callbacks=[Stop(step)], **settings)


def test_resumed_at_every_step_and_twice(tmp_path: Path) -> None:
    _, undisturbed = tiny_run(tmp_path / "a", max_steps=8, every_n_steps=1)
    for step in range(1, 8):
        folder = tmp_path / f"b{step}"
        crashing_run(folder, step, max_steps=8, every_n_steps=1)
        if step < 6:
            crashing_run(folder, step + 2, max_steps=8, every_n_steps=1, resume=True)
        _, resumed = tiny_run(folder, max_steps=8, every_n_steps=1, resume=True)
        assert torch.equal(weights(resumed), weights(undisturbed)), step


def test_same_command_twice_gives_the_same_numbers(tmp_path: Path) -> None:
    _, first = tiny_run(tmp_path / "a", max_steps=6)
    _, second = tiny_run(tmp_path / "b", max_steps=6)
    assert first.losses == second.losses
    assert torch.equal(weights(first), weights(second))


def test_accumulated_run_resumes(tmp_path: Path) -> None:
    _, undisturbed = tiny_run(tmp_path / "a", max_steps=6, accumulate=3)
    crashing_run(tmp_path / "b", 4, max_steps=6, accumulate=3, every_n_steps=2)
    _, resumed = tiny_run(tmp_path / "b", max_steps=6, accumulate=3, resume=True)
    assert len(undisturbed.losses) == 18
    assert resumed.losses == undisturbed.losses[12:]
    assert torch.equal(weights(resumed), weights(undisturbed))


def test_the_end_can_be_moved(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=6)
    again, _ = tiny_run(tmp_path, max_steps=6, resume=True)
    assert again.global_step == 6
    longer, moved = tiny_run(tmp_path, max_steps=9, resume=True)
    assert longer.global_step == 9
    assert len(moved.losses) == 3
    assert isinstance(longer.loggers[0], CSVLogger)
    assert [int(row["step"]) for row in read_rows(tmp_path / "metrics.csv")] == [2, 4, 6, 8]


class Crash(Exception):
    """What the test wanted."""


class Stop(L.Callback):
    """Crash before the batch after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            raise Crash
