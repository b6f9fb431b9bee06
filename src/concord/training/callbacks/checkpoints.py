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
from concord.errors import CheckpointError
from concord.files import link_atomically, remove_leftovers
from concord.training.callbacks.base import StepCallback, is_logging_step, settle
from concord.training.checkpointing import BEST, LAST, numbered, numbered_name, remove_unnamed
from concord.training.mirror import Mirror


class Checkpoints(StepCallback, Checkpoint):
    """Keeps `last.ckpt`, `best.ckpt` and the latest ones by number in the run folder's `checkpoints/`.

    Every occasion writes `last.ckpt`; the other names are further links to the same file. All is decided after a whole
    optimizer step, so that every checkpoint can be resumed exactly. A disk that is full costs a warning and the checkpoint, not
    the run, and never the checkpoint before; only at the very end, where the result would be lost, it is an error.

    Args:
        every_n_steps: occasion by optimizer steps, at least 1.
        every_minutes: occasion by the clock, looked at on logging steps; None for never.
        keep: how many of the latest checkpoints stay, at least 1. With 1 there is none to fall back on when the last is damaged.
        keep_every_n_steps: beside these, the first at or after each multiple of so many steps stays for ever; None for none.
        keep_every_minutes: likewise, one stays for ever each time so many minutes have gone by since the one before.
        monitor: the metric whose best value makes `best.ckpt`, such as "zero_shot/shapes/top1"; None for no `best.ckpt`.
        mode: whether the best value is the highest or the lowest.
        mirror: an fsspec URL that gets a copy of the run, see `Mirror`; None for none.

    Raises:
        ValueError: for a number out of its range.
        CheckpointError: at the end, when the last checkpoint cannot be written.
    """

    def __init__(
        self,
        every_n_steps: int,
        every_minutes: float | None = None,
        keep: int = 2,
        keep_every_n_steps: int | None = None,
        keep_every_minutes: float | None = None,
        monitor: str | None = None,
        mode: Literal["max", "min"] = "max",
        mirror: str | None = None,
    ) -> None:
        super().__init__()
        for name, least_one in {"every_n_steps": every_n_steps, "keep": keep, "keep_every_n_steps": keep_every_n_steps}.items():
            if least_one is not None and least_one < 1:
                raise ValueError(f"{name} must be at least 1, got {least_one}")
        for name, minutes in {"every_minutes": every_minutes, "keep_every_minutes": keep_every_minutes}.items():
            if minutes is not None and not minutes > 0:
                raise ValueError(f"{name} must be above 0 or null, got {minutes}")
        self.every_n_steps = every_n_steps
        self.every_minutes = every_minutes
        self.keep = keep
        self.keep_every_n_steps = keep_every_n_steps
        self.keep_every_minutes = keep_every_minutes
        self.monitor = monitor
        self.mode = mode
        self.mirror = Mirror(mirror) if mirror is not None else None
        self.best: float | None = None
        self.best_step = 0
        self._saved_step = -1
        self._saved_at = time.monotonic()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if trainer.is_global_zero:
            remove_leftovers(folder_of(trainer))
            remove_unnamed(folder_of(trainer))

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if self.mirror is not None and trainer.is_global_zero:
            self.mirror.close()
            remove_unnamed(folder_of(trainer))  # what waited to be copied

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.best_step = state_dict["best"], state_dict["best_step"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        step = trainer.global_step
        better = self._better(trainer)
        is_last = step == trainer.max_steps or trainer.should_stop
        if step % self.every_n_steps == 0 or better is not None or is_last or self._is_time(trainer):
            self._save(trainer, better)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # The usual end has been saved after its step. This is for runs that stop early, and for metrics that came last.
        better = self._better(trainer)
        if better is not None or self._saved_step != trainer.global_step:
            failure = self._save(trainer, better)
            if failure and trainer.is_global_zero:
                raise CheckpointError(f"{failure}; make room and go on with resume={trainer.default_root_dir}")
        if self.monitor is not None and self.best is None:
            known = ", ".join(sorted(trainer.callback_metrics)) or "none"
            warnings.warn(
                f"callbacks.checkpoints.monitor: no metric {self.monitor!r} was seen, so there is no best.ckpt; metrics: {known}",
                stacklevel=2,
            )

    def save_now(self, trainer: L.Trainer) -> None:
        """Write a checkpoint after this step, whatever the occasion; every rank calls it, between two steps."""
        if self._saved_step != trainer.global_step:
            self._save(trainer, None)

    def _better(self, trainer: L.Trainer) -> float | None:
        """The monitored value, where it is better than all before."""
        value = trainer.callback_metrics.get(self.monitor) if self.monitor is not None else None
        if value is None or math.isnan(float(value)):
            return None
        sign = 1 if self.mode == "max" else -1
        return float(value) if self.best is None or sign * float(value) > sign * self.best else None

    def _is_time(self, trainer: L.Trainer) -> bool:
        if self.every_minutes is None or not is_logging_step(trainer, trainer.global_step):
            return False
        minutes = torch.tensor((time.monotonic() - self._saved_at) / 60, device=trainer.strategy.root_device)
        return float(Ranks.current().max(minutes)) >= self.every_minutes  # saving needs all ranks, so one clock decides

    def _save(self, trainer: L.Trainer, better: float | None) -> str:
        """Write a checkpoint and its names; says what went wrong, on the first rank, and "" elsewhere and where nothing did."""
        settle(trainer)
        before = self.best, self.best_step
        if better is not None:
            self.best, self.best_step = better, trainer.global_step
        trainer.save_checkpoint(folder_of(trainer) / LAST, weights_only=False)
        failure = getattr(trainer.strategy.checkpoint_io, "failure", None)
        failed = torch.tensor(float(failure is not None), device=trainer.strategy.root_device)
        self._saved_at = time.monotonic()
        if float(Ranks.current().max(failed)) > 0:
            self.best, self.best_step = before
        else:
            self._saved_step = trainer.global_step
        if not trainer.is_global_zero:
            return ""
        try:
            if failure is not None:
                raise failure
            self._name(trainer, better is not None)
        except OSError as error:
            return self._warn(trainer, error)
        finally:
            remove_unnamed(folder_of(trainer))
        return ""

    def _name(self, trainer: L.Trainer, is_best: bool) -> None:
        """Give the last checkpoint its other names, and remove those that do not stay."""
        folder = folder_of(trainer)
        step = folder / numbered_name(trainer.global_step)
        link_atomically(folder / LAST, step)
        if is_best:
            link_atomically(folder / LAST, folder / BEST)
        files = numbered(folder)
        for number in files.keys() - self._staying(files):
            files[number].unlink()
        if self.mirror is not None:
            self.mirror.copy(Path(trainer.default_root_dir), step, is_best)

    def _staying(self, files: dict[int, Path]) -> set[int]:
        staying = set(list(files)[-self.keep :])
        multiple, written = 0, -math.inf
        for step, path in files.items():
            if self.keep_every_n_steps is not None and step // self.keep_every_n_steps > multiple:
                multiple = step // self.keep_every_n_steps
                staying.add(step)
            if self.keep_every_minutes is not None and path.stat().st_mtime - written >= 60 * self.keep_every_minutes:
                written = path.stat().st_mtime
                staying.add(step)
        return staying

    def _warn(self, trainer: L.Trainer, error: OSError) -> str:
        files = numbered(folder_of(trainer))
        newest = f"the newest is {next(reversed(files.values()))}" if files else "there is none yet"
        what = f"the checkpoint after step {trainer.global_step} could not be written ({error.strerror or error}); {newest}"
        warnings.warn(what, stacklevel=2)
        return what


def folder_of(trainer: L.Trainer) -> Path:
    """Where a run keeps its checkpoints."""
    return Path(trainer.default_root_dir) / "checkpoints"
