"""Callbacks that count in optimizer steps."""

from __future__ import annotations

from typing import Any

import lightning as L
from torch.optim import Optimizer


class StepCallback(L.Callback):
    """Acts once per optimizer step, also where a step takes several batches."""

    def __init__(self) -> None:
        super().__init__()
        self._last_step = 0

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step != self._last_step:
            self._last_step = trainer.global_step
            self.after_step(trainer, pl_module)

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """`trainer.global_step` counts the step that was just made."""
        raise NotImplementedError


class LateJudge(L.Callback):
    """Knows only later whether a step was good. It is asked to make up its mind before a checkpoint is written."""

    def settle(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Judge what is not judged yet, and act. Every rank calls it at the same time."""
        raise NotImplementedError


def settle(trainer: L.Trainer) -> None:
    """Let every callback that judges late make up its mind."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, LateJudge):
            callback.settle(trainer, trainer.lightning_module)


def take_away_step(optimizer: Optimizer) -> None:
    """Make the optimizer's coming step do nothing: it passes over parameters without gradients, their moments included."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def was_taken_away(optimizer: Optimizer) -> bool:
    """Whether the step just made did nothing; what follows the optimizer's steps, such as averages of the weights, stays too."""
    return all(parameter.grad is None for group in optimizer.param_groups for parameter in group["params"])


def is_logging_step(trainer: L.Trainer, step: int) -> bool:
    """Whether the metrics of optimizer step `step`, counted from 1, are written to the loggers."""
    return step % trainer.log_every_n_steps == 0  # type: ignore[attr-defined,no-any-return]


def batch_size(batch: Any) -> int:
    """Examples in a batch: its length, or that of its first part."""
    if isinstance(batch, dict):
        batch = list(batch.values())
    return len(batch[0]) if isinstance(batch, list | tuple) else len(batch)
