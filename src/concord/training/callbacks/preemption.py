"""A run that must leave its place stops after a whole step and can be resumed exactly."""

from __future__ import annotations

import signal

import lightning as L
import torch

from concord import signals
from concord.distributed import Ranks
from concord.errors import Preempted
from concord.training.callbacks.base import StepCallback


class Preemption(StepCallback):
    """On SIGUSR1 or SIGTERM to any process, all of them stop after the same optimizer step; `Checkpoints` saves it.

    Each step the processes tell one another what they heard: one number, which Lightning's own exchange before each batch makes
    them wait for anyhow. Nothing is seen between two steps, so that a benchmark or a checkpoint is finished first.

    Attributes:
        by: the signal that the run stopped for; None while nothing was heard.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by: signal.Signals | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Not earlier: Lightning's own handler of SIGTERM, which this replaces, broadcasts from inside of whatever it interrupts.
        # At the end of the run Lightning puts back what was there before.
        signals.listen(signals.GO_ON_LATER, signals.STOP)

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        heard = _loudest(signals.heard(), trainer.strategy.root_device)
        if heard is not None and trainer.global_step < trainer.max_steps:
            self.by = heard
            trainer.should_stop = True

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        signals.forget()


def _loudest(mine: signal.Signals | None, device: torch.device) -> signal.Signals | None:
    """The signal with the highest number that any process heard."""
    ranks = Ranks.current()
    if ranks.world == 1:  # a number on its way to a GPU and back would make every step wait for the device
        return mine
    number = int(ranks.max(torch.tensor(0 if mine is None else int(mine), device=device)))
    return signal.Signals(number) if number else None


def preempted_by(trainer: L.Trainer) -> signal.Signals | None:
    """The signal that a run stopped for before its end, if it did."""
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback.by for callback in callbacks if isinstance(callback, Preemption)), None)


def leave_if_preempted(trainer: L.Trainer) -> None:
    """End a process whose run was preempted; called when everything is written.

    Raises:
        Preempted: on the first process, after all others have come this far. They exit at once and with 0, as whoever started
            them kills the rest, the first one included, when one process fails.
    """
    by = preempted_by(trainer)
    if by is not None:
        trainer.strategy.barrier("preempted")
        raise Preempted(by, trainer.global_step, trainer.default_root_dir, first=trainer.is_global_zero)
