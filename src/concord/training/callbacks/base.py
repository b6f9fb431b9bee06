"""Callbacks that count in optimizer steps."""

from __future__ import annotations

from typing import Any

import lightning as L


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


def is_logging_step(trainer: L.Trainer, step: int) -> bool:
    """Whether the metrics of optimizer step `step`, counted from 1, are written to the loggers."""
    return step % trainer.log_every_n_steps == 0  # type: ignore[attr-defined,no-any-return]


def batch_size(batch: Any) -> int:
    """Examples in a batch: its length, or that of its first part."""
    if isinstance(batch, dict):
        batch = list(batch.values())
    return len(batch[0]) if isinstance(batch, list | tuple) else len(batch)
