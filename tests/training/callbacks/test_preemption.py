"""A signal stops a run after a whole step, on all processes the same, and the run that goes on equals one that was never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

import lightning as L
import pytest
import torch

from concord import signals
from concord.errors import Preempted
from concord.training import BenchmarkCallback, Preemption, RunRecord, leave_if_preempted, seed_everything
from concord.training.callbacks.preemption import preempted_by
from tests.conftest import ROOT
from tests.training.tiny import TinyModule, tiny_run, weights


class Signalled(TinyModule):
    """Gets a signal in the middle of a step, on one rank alone."""

    def __init__(self, step: int, number: signal.Signals, rank: int = 0) -> None:
        seed_everything(0)  # as `tiny_run` does for its own module
        super().__init__()
        self.when = step, rank
        self.number = number

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss = super().training_step(batch, batch_idx)
        if (self.global_step + 1, self.global_rank) == self.when:
            os.kill(os.getpid(), self.number)
        return loss


def measured(module: L.LightningModule) -> None:
    raise AssertionError("a run that is stopped has no time for benchmarks")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGUSR1, 75), (signal.SIGTERM, 143)])
def test_stopped_and_resumed_equals_undisturbed(number: signal.Signals, code: int, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    _, undisturbed = tiny_run(tmp_path / "a", max_steps=8, every_n_steps=100)
    callbacks = [BenchmarkCallback(measured), RunRecord(), Preemption()]  # type: ignore[arg-type]
    trainer, stopped = tiny_run(tmp_path / "b", max_steps=8, every_n_steps=100, module=Signalled(3, number), callbacks=callbacks)
    assert trainer.global_step == 3
    assert json.loads((tmp_path / "b" / "run.json").read_text())["status"] == "preempted"
    with pytest.raises(Preempted, match=f"stopped by {number.name} after step 3") as stop:
        leave_if_preempted(trainer)
    assert stop.value.code == code
    resumed_trainer, resumed = tiny_run(tmp_path / "b", max_steps=8, every_n_steps=100, resume=True, callbacks=[RunRecord(), Preemption()])
    assert preempted_by(resumed_trainer) is None
    leave_if_preempted(resumed_trainer)
    assert stopped.losses + resumed.losses == undisturbed.losses
    assert torch.equal(weights(resumed), weights(undisturbed))
    assert json.loads((tmp_path / "b" / "run.json").read_text())["status"] == "finished"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)) == before
    assert signals.heard() is None


SCRIPT = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, {root!r})

from concord.errors import Preempted
from concord.training import Preemption, leave_if_preempted
from tests.training.callbacks.test_preemption import Signalled
from tests.conftest import ROOT
from tests.training.tiny import tiny_run

module = Signalled(3, signal.SIGUSR1, rank=1)
trainer, _ = tiny_run(Path({folder!r}), max_steps=50, module=module, devices=2, strategy="ddp", callbacks=[Preemption()])
try:
    leave_if_preempted(trainer)
except Preempted as stop:
    Path({folder!r}, f"rank{{trainer.global_rank}}").write_text(f"{{trainer.global_step}} {{stop.code}}")
    os._exit(stop.code)
"""


def test_a_signal_to_one_process_stops_all_after_the_same_step(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(root=str(ROOT), folder=str(tmp_path)))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 75, done.stderr[-3000:]
    assert [(tmp_path / f"rank{rank}").read_text() for rank in range(2)] == ["3 75", "3 0"]
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 3


def test_under_accumulation_the_step_is_finished(tmp_path: Path) -> None:
    module = Signalled(2, signal.SIGUSR1)
    trainer, stopped = tiny_run(tmp_path, max_steps=4, every_n_steps=100, accumulate=3, module=module, callbacks=[Preemption()])
    assert trainer.global_step == 2
    assert len(stopped.losses) == 6
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2


def test_a_signal_in_the_last_step_changes_nothing(tmp_path: Path) -> None:
    trainer, _ = tiny_run(tmp_path, max_steps=3, module=Signalled(3, signal.SIGUSR1), callbacks=[RunRecord(), Preemption()])
    assert preempted_by(trainer) is None
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "finished"


def test_a_signal_before_training_counts(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    try:
        signals.listen(signals.GO_ON_LATER)
        os.kill(os.getpid(), signal.SIGUSR1)
        trainer, _ = tiny_run(tmp_path, max_steps=3, callbacks=[Preemption()])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert trainer.global_step == 1
    assert preempted_by(trainer) is signal.SIGUSR1


def test_to_stop_is_louder_than_to_go_on_later() -> None:
    def other(number: int, frame: FrameType | None) -> None: ...

    before = {number: signal.signal(number, other) for number in (signal.SIGUSR1, signal.SIGTERM)}
    try:
        signals.listen(signals.GO_ON_LATER, signals.STOP)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signals.heard() is signal.SIGTERM
    finally:
        signals.forget()
        for number, handler in before.items():
            signal.signal(number, handler)
    assert signals.heard() is None
