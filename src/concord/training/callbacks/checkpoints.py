"""When checkpoints are written, and which ones stay."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

from concord.distributed import Ranks
from concord.files import link_atomically, remove_leftovers
from concord.training.callbacks.base import StepCallback, is_logging_step


class Checkpoints(StepCallback, Checkpoint):
    """Keeps `last.ckpt`, `best.ckpt` and numbered checkpoints in the run folder's `checkpoints/`.

    Every occasion writes `last.ckpt`; the other names are further links to the same file. All is decided after a whole
    optimizer step, so that every checkpoint can be resumed exactly.

    Args:
        every_n_steps: occasion by optimizer steps, at least 1; these checkpoints also get a number.
        every_minutes: occasion by the clock, looked at on logging steps; None for never.
        keep: how many of the latest numbered checkpoints stay, at least 0.
        monitor: the metric whose best value makes `best.ckpt`, such as "zero_shot/shapes/top1"; None for no `best.ckpt`.
        mode: whether the best value is the highest or the lowest.
    """

    def __init__(
        self,
        every_n_steps: int,
        every_minutes: float | None = None,
        keep: int = 1,
        monitor: str | None = None,
        mode: Literal["max", "min"] = "max",
    ) -> None:
        super().__init__()
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        if every_minutes is not None and not every_minutes > 0:
            raise ValueError(f"every_minutes must be above 0 or null, got {every_minutes}")
        if keep < 0:
            raise ValueError(f"keep must be at least 0, got {keep}")
        self.every_n_steps = every_n_steps
        self.every_minutes = every_minutes
        self.keep = keep
        self.monitor = monitor
        self.mode = mode
        self.best: float | None = None
        self.best_step = 0
        self._saved_step = -1
        self._saved_at = time.monotonic()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if trainer.is_global_zero:
            remove_leftovers(_folder(trainer))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_step = state_dict["best"], state_dict["best_step"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        step = trainer.global_step
        better = self._is_better(trainer)
        numbered = step % self.every_n_steps == 0
        if numbered or better or step == trainer.max_steps or trainer.should_stop or self._is_time(trainer):
            self._save(trainer, better, numbered)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # The usual end has been saved after its step. This is for runs that stop early, and for metrics that came last.
        better = self._is_better(trainer)
        if better or self._saved_step != trainer.global_step:
            self._save(trainer, better, numbered=False)
        if self.monitor is not None and self.best is None:
            known = ", ".join(sorted(trainer.callback_metrics)) or "none"
            warnings.warn(
                f"callbacks.checkpoints.monitor: no metric {self.monitor!r} was seen, so there is no best.ckpt; metrics: {known}",
                stacklevel=2,
            )

    def _is_better(self, trainer: L.Trainer) -> bool:
        value = trainer.callback_metrics.get(self.monitor) if self.monitor is not None else None
        if value is None or math.isnan(float(value)):
            return False
        sign = 1 if self.mode == "max" else -1
        if self.best is not None and sign * float(value) <= sign * self.best:
            return False
        self.best, self.best_step = float(value), trainer.global_step
        return True

    def _is_time(self, trainer: L.Trainer) -> bool:
        if self.every_minutes is None or not is_logging_step(trainer, trainer.global_step):
            return False
        minutes = torch.tensor((time.monotonic() - self._saved_at) / 60, device=trainer.strategy.root_device)
        return float(Ranks.current().max(minutes)) >= self.every_minutes  # saving needs all ranks, so one clock decides

    def _save(self, trainer: L.Trainer, better: bool, numbered: bool) -> None:
        folder = _folder(trainer)
        last = folder / "last.ckpt"
        trainer.save_checkpoint(last, weights_only=False)
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step
        if not trainer.is_global_zero:
            return
        if better:
            link_atomically(last, folder / "best.ckpt")
        if numbered and self.keep > 0:
            link_atomically(last, folder / f"step_{trainer.global_step:09d}.ckpt")
            for old in sorted(folder.glob("step_*.ckpt"))[: -self.keep]:
                old.unlink()


def _folder(trainer: L.Trainer) -> Path:
    return Path(trainer.default_root_dir) / "checkpoints"
