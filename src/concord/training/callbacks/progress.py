"""The progress bar."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

import lightning as L
import rich
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from concord.training.callbacks.base import StepCallback

_SHOWN = ("loss", "loss/*", "learning_rate", "logit_scale", "gradient_norm", "samples_per_second", "data_wait")


class Progress(StepCallback):
    """A bar on a terminal; elsewhere (a log file, SLURM) one line every N steps.

    Args:
        metrics: which logged values to show, as patterns such as "loss/*", in this order.
        every_n_steps: optimizer steps between two lines where there is no terminal, at least 1.
    """

    def __init__(self, metrics: tuple[str, ...] = _SHOWN, every_n_steps: int = 50) -> None:
        super().__init__()
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        self.metrics = metrics
        self.every_n_steps = every_n_steps
        self._bar: RichProgress | None = None
        self._shown_at = 0.0
        self._started_at = 0.0
        self._started_step = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._started_at, self._started_step = time.monotonic(), trainer.global_step
        if not trainer.is_global_zero or not rich.get_console().is_terminal:
            return
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        values = TextColumn("{task.fields[values]}")
        self._bar = RichProgress(BarColumn(20), MofNCompleteColumn(), *times, values, refresh_per_second=2)
        self._bar.add_task("training", total=trainer.max_steps, completed=trainer.global_step, values="")
        self._bar.start()

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._bar is not None:
            self._update_bar(self._bar, trainer)
        elif trainer.is_global_zero and (trainer.global_step % self.every_n_steps == 0 or trainer.global_step == trainer.max_steps):
            print(self._line(trainer), flush=True)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _update_bar(self, bar: RichProgress, trainer: L.Trainer) -> None:
        # Reading a metric makes a GPU finish its queue, so that is done as rarely as an eye needs it.
        now = time.monotonic()
        if now - self._shown_at < 0.5 and trainer.global_step != trainer.max_steps:
            return
        self._shown_at = now
        bar.update(bar.task_ids[0], completed=trainer.global_step, values=describe(trainer.callback_metrics, self.metrics))

    def _line(self, trainer: L.Trainer) -> str:
        step, total = trainer.global_step, trainer.max_steps
        rate = (time.monotonic() - self._started_at) / (step - self._started_step)
        left = time.strftime("%H:%M:%S", time.gmtime(rate * (total - step)))
        return f"step {step}/{total} ({step / total:.0%}), {left} left: {describe(trainer.callback_metrics, self.metrics)}"

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def describe(values: Mapping[str, Any], patterns: tuple[str, ...]) -> str:
    """The values whose names fit a pattern, in the order of the patterns, with four digits."""
    names = dict.fromkeys(name for pattern in patterns for name in values if fnmatch(name, pattern))
    return "  ".join(f"{name} {float(values[name]):.4g}" for name in names)
