"""Signs that training goes wrong though the loss is finite."""

from __future__ import annotations

import warnings

import lightning as L

from concord.training.callbacks.base import StepCallback, is_logging_step


class Alarms(StepCallback):
    """Warns once of a logit scale at the end of its range, and once for each view whose embeddings have collapsed.

    It reads what the method logs: `logit_scale`, `embedding_cosine/VIEW` (mean cosine between different examples) and
    `embedding_rank/VIEW` (how many directions carry their variance). A fresh model embeds everything alike, so a collapse must last.

    Args:
        cosine: a mean cosine above it is a collapse, in (0, 1].
        rank: fewer directions than these are a collapse, at least 1.
        lasting: optimizer steps that a collapse must last, at least 1.
    """

    NEAR = 1e-3
    """How near to its bound, relative to it, the logit scale counts as there."""

    def __init__(self, cosine: float = 0.98, rank: float = 1.5, lasting: int = 1000) -> None:
        super().__init__()
        if not 0 < cosine <= 1:
            raise ValueError(f"cosine must lie in (0, 1], got {cosine}")
        if rank < 1:
            raise ValueError(f"rank must be at least 1, got {rank}")
        if lasting < 1:
            raise ValueError(f"lasting must be at least 1, got {lasting}")
        self.cosine = cosine
        self.rank = rank
        self.lasting = lasting
        self._since: dict[str, int] = {}
        self._told: set[str] = set()

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not is_logging_step(trainer, trainer.global_step):
            return
        values = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith(("embedding_", "logit_scale"))}
        for name, value in values.items():
            kind, _, view = name.partition("/")
            if kind == "embedding_cosine":
                self._count(trainer, name, value > self.cosine, f"the mean cosine between embeddings of {view} is {value:.3f}")
            elif kind == "embedding_rank":
                self._count(trainer, name, value < self.rank, f"the embeddings of {view} vary in {value:.2f} directions")
        if "logit_scale" in values:
            self._look_at_scale(trainer, pl_module, values["logit_scale"])

    def _count(self, trainer: L.Trainer, name: str, bad: bool, what: str) -> None:
        if not bad:
            self._since.pop(name, None)
        elif trainer.global_step - self._since.setdefault(name, trainer.global_step) >= self.lasting:
            self._warn(trainer, name, f"{what}: they have collapsed; a lower optimizer.lr or a longer schedule.warmup may help")

    def _look_at_scale(self, trainer: L.Trainer, module: L.LightningModule, value: float) -> None:
        similarity = module.model.similarity  # type: ignore[union-attr]
        if not similarity.logit_scale.requires_grad:  # type: ignore[union-attr]
            return
        highest = float(similarity.max_scale)  # type: ignore[union-attr, arg-type]
        if value >= highest * (1 - self.NEAR):
            self._warn(trainer, "scale/highest", f"logit_scale has reached its upper bound {highest:g}; it is held there")
        elif value <= 1 + self.NEAR:
            self._warn(trainer, "scale/lowest", "logit_scale has fallen to its lower bound 1: the model tells matches from others no more")

    def _warn(self, trainer: L.Trainer, name: str, what: str) -> None:
        if name not in self._told and trainer.is_global_zero:
            warnings.warn(f"step {trainer.global_step}: {what}", stacklevel=2)
        self._told.add(name)
