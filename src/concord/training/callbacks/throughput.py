"""How fast training is, and how much of the time it waits for data."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import lightning as L
import torch
from lightning.pytorch.profilers import Profiler

from concord.distributed import Ranks
from concord.training.callbacks.base import batch_size, is_logging_step
from concord.training.callbacks.benchmark import BenchmarkCallback
from concord.training.callbacks.checkpoints import Checkpoints

_FETCH = "[_TrainingEpochLoop].train_dataloader_next"
_UNWATCHED = nullcontext()


class Stopwatch(Profiler):
    """Seconds spent inside chosen actions of Lightning's loop, which announces every hook and every fetch to its profiler."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}
        self._started: dict[str, float] = {}

    def watch(self, action: str) -> None:
        self.seconds[action] = 0.0

    def profile(self, action_name: str) -> AbstractContextManager[Any]:  # type: ignore[override]
        # Lightning asks some 170 times in a step; what is not watched shall cost next to nothing.
        return super().profile(action_name) if action_name in self.seconds else _UNWATCHED

    def start(self, action_name: str) -> None:
        if action_name in self.seconds:
            self._started[action_name] = time.perf_counter()

    def stop(self, action_name: str) -> None:
        if action_name in self._started:
            self.seconds[action_name] += time.perf_counter() - self._started.pop(action_name)


class Throughput(L.Callback):
    """Logs `samples_per_second` over all ranks and `data_wait`, the share of the time in which training stood waiting for a batch.

    Where batches name the sources of their examples and there was more than one, `samples_per_second/SOURCE` is the part of each.
    All cover the time since the last logging step, without benchmarks and checkpoints. At the end
    `trainer.callback_metrics["samples_per_second"]` is that of the whole run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._stopwatch = Stopwatch()
        self._samples = 0
        self._of_sources: Counter[str] = Counter()
        self._met: set[str] = set()
        self._since = 0.0
        self._logged_step = 0
        self._total_samples = 0
        self._total_seconds = 0.0

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        aside = [callback for callback in callbacks if isinstance(callback, BenchmarkCallback | Checkpoints)]
        for action in (_FETCH, *(f"[Callback]{callback.state_key}.on_train_batch_end" for callback in aside)):
            self._stopwatch.watch(action)
        trainer.profiler = self._stopwatch  # type: ignore[attr-defined]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._logged_step = trainer.global_step
        self._restart()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._samples += batch_size(batch) * trainer.world_size
        self._of_sources.update(getattr(batch, "sources", ()))
        if trainer.global_step != self._logged_step and is_logging_step(trainer, trainer.global_step):
            self._logged_step = trainer.global_step
            seconds = self._seconds()
            waited = self._stopwatch.seconds[_FETCH]
            pl_module.log_dict({"samples_per_second": self._samples / seconds, "data_wait": min(1.0, waited / seconds)})
            pl_module.log_dict({f"samples_per_second/{name}": count / seconds for name, count in self._counts().items()})
            self._restart()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._samples > 0:
            self._seconds()
            self._restart()
        if self._total_seconds > 0:
            trainer.callback_metrics["samples_per_second"] = torch.tensor(self._total_samples / self._total_seconds)

    def _counts(self) -> dict[str, int]:
        """Samples of each source on all ranks since the last restart; nothing where there is one source alone."""
        counts: Counter[str] = sum(Ranks.current().gather_objects(self._of_sources), Counter())
        self._met |= counts.keys()
        return dict(sorted(counts.items())) if len(self._met) > 1 else {}

    def _seconds(self) -> float:
        """Seconds of training since the last restart; adds this stretch to the totals."""
        aside = sum(seconds for action, seconds in self._stopwatch.seconds.items() if action != _FETCH)
        seconds = max(time.perf_counter() - self._since - aside, 1e-9)
        self._total_samples += self._samples
        self._total_seconds += seconds
        return seconds

    def _restart(self) -> None:
        self._samples = 0
        self._of_sources = Counter()
        self._since = time.perf_counter()
        self._stopwatch.seconds = dict.fromkeys(self._stopwatch.seconds, 0.0)
