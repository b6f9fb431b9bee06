"""The average of the weights over the steps of a run."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from concord.distributed import local, split_as
from concord.errors import CheckpointError
from concord.models.checkpoint import AVERAGED
from concord.training.callbacks.base import StepCallback, was_taken_away


class EMA(StepCallback):
    """Keeps an exponential moving average of the model's weights: after each step, a <- d a + (1 - d) w (Polyak & Juditsky 1992).

    The average begins as the weights are when training begins. Where a run has one, benchmarks measure the model with its averaged
    weights, and `concord.load` gives it; training goes on with the weights themselves. Checkpoints hold both. What is not trained
    has no average. Every process keeps the average of the weights that it holds, so that all of them agree.

    Args:
        decay: d, in [0, 1).
        warmup: whether d begins lower, as (1 + n) / (10 + n) after n steps, so that the first weights are soon forgotten.
    """

    def __init__(self, decay: float = 0.9999, warmup: bool = True) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        self.decay = decay
        self.warmup = warmup
        self.weights: dict[str, Tensor] = {}
        self.steps = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._last_step = trainer.global_step
        now = averageable(pl_module)
        if not self.weights:
            self.weights = {name: tensor.detach().clone() for name, tensor in now.items()}
        if differing := sorted(now.keys() ^ self.weights.keys()):
            raise CheckpointError(f"the averaged weights of the checkpoint do not fit the model at {differing[0]}")
        self.weights = {name: split_as(tensor.to(now[name].device), now[name]) for name, tensor in self.weights.items()}

    @torch.no_grad()
    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if was_taken_away(trainer.optimizers[0]):
            return
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.warmup else self.decay
        now = averageable(pl_module)
        torch._foreach_lerp_([local(self.weights[name]) for name in now], [local(tensor.detach()) for tensor in now.values()], 1 - decay)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.steps = state_dict["steps"]

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[AVERAGED] = dict(self.weights)

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self.weights = dict(checkpoint.get(AVERAGED, {}))

    def roll_back(self, checkpoint: dict[str, Any]) -> None:
        """Go back with the weights to those of a checkpoint: see `concord.training.rollback`."""
        saved: dict[str, Tensor] = checkpoint.get(AVERAGED, {})
        self.weights = {name: split_as(saved[name].to(mine.device), mine) for name, mine in self.weights.items()}
        self.steps = checkpoint["callbacks"][self.state_key]["steps"]


def averageable(module: L.LightningModule) -> dict[str, Tensor]:
    """What of a method's model changes smoothly, by its name in the model: trained parameters, and statistics that are saved."""
    model: nn.Module = module.model  # type: ignore[assignment]
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    saved = model.state_dict(keep_vars=True)
    statistics = {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point() and name in saved}
    return {**trained, **statistics}


def averages_of(trainer: L.Trainer) -> dict[str, Tensor]:
    """The averaged weights of a run by their names in the model; none where it averages nothing."""
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback.weights for callback in callbacks if isinstance(callback, EMA)), {})
