"""Benchmarks while training."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import lightning as L
import torch
from torch import nn

from concord.training.callbacks.base import StepCallback
from concord.training.callbacks.preemption import preempted_by
from concord.training.compute import uncompiled
from concord.training.loggers import RunLogger
from concord.training.randomness import preserved_random_state

_log = logging.getLogger(__name__)


class Measured(Protocol):
    """One number of a benchmark."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def chance(self) -> float | None: ...


class Results(Protocol):
    """What a benchmark found."""

    @property
    def records(self) -> Sequence[Measured]: ...
    def write(self, folder: Path) -> None: ...


class BenchmarkCallback(StepCallback):
    """Measures the model every N optimizer steps and at the end; training goes on as if nothing had happened.

    All ranks measure together, and all get the same. The values go to the loggers, to `trainer.callback_metrics` (so that a
    checkpoint can follow one of them), and, by the first rank, to the run folder through `Results.write`.

    Args:
        measure: runs the benchmark on the module as it is now; every rank calls it.
        every_n_steps: None for the end only.
        at_end: whether to measure after the last step; not where a signal stops the run before it.
    """

    def __init__(self, measure: Callable[[L.LightningModule], Results], every_n_steps: int | None = None, at_end: bool = True) -> None:
        super().__init__()
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1 or null, got {every_n_steps}")
        self.measure = measure
        self.every_n_steps = every_n_steps
        self.at_end = at_end
        self._measured_step = -1

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        is_turn = self.every_n_steps is not None and trainer.global_step % self.every_n_steps == 0
        # The last step is measured here, before its checkpoint is written, so that the best one can be it.
        if is_turn or (self.at_end and trainer.global_step == trainer.max_steps):
            self._measure(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.at_end and self._measured_step != trainer.global_step and preempted_by(trainer) is None:
            self._measure(trainer, pl_module)

    def _measure(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        self._measured_step = trainer.global_step
        with preserved_random_state(trainer.strategy.root_device), evaluating(module), torch.no_grad(), uncompiled():
            results = self.measure(module)
        values = {record.name: float(record.value) for record in results.records}
        if trainer.is_global_zero:
            self._report(trainer, results, values)
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})

    def _report(self, trainer: L.Trainer, results: Results, values: dict[str, float]) -> None:
        folder = Path(trainer.default_root_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            results.write(folder)
        except OSError as error:  # a full disk is no reason to stop
            warnings.warn(f"step {trainer.global_step}: the results could not be written ({error.strerror or error})", stacklevel=2)
        for record in results.records:
            _log.info("step %d: %s", trainer.global_step, _sentence(record))
        gallery = folder / "gallery" / "gallery.json"
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.global_step - 1)  # Lightning counts the steps before the last one
            if isinstance(logger, RunLogger) and gallery.is_file():
                logger.log_predictions(json.loads(gallery.read_text()), gallery.parent, trainer.global_step)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every part is in the mode that it was in, locked towers included."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _sentence(record: Measured) -> str:
    text = f"{record.name} {record.value:.3f}"
    if record.low is not None and record.high is not None:
        text += f" [{record.low:.3f}, {record.high:.3f}]"
    return text if record.chance is None else f"{text}, chance {record.chance:.3f}"
