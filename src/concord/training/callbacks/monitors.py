"""Values of the optimization that are cheap to know and good to watch."""

from __future__ import annotations

import lightning as L
from torch.optim import Optimizer

from concord.training.callbacks.base import StepCallback, is_logging_step
from concord.training.gradients import total_norm


class GradientNorm(L.Callback):
    """Logs `gradient_norm`, the norm of the gradient of all parameters before clipping, on logging steps."""

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        if is_logging_step(trainer, trainer.global_step + 1):
            gradients = [parameter.grad for group in optimizer.param_groups for parameter in group["params"] if parameter.grad is not None]
            pl_module.log("gradient_norm", total_norm(gradients))


class LearningRate(StepCallback):
    """Logs `learning_rate`, the rate of the step that was made, on logging steps: of the groups outside the towers where there are any."""

    def __init__(self) -> None:
        super().__init__()
        self._used = 0.0

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Optimizer) -> None:
        groups = optimizer.param_groups
        base = next((group for group in groups if str(group.get("name", "")).startswith("other/")), groups[0])
        self._used = float(base["lr"])  # read here because the schedule moves on before the step's values are written

    def after_step(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if is_logging_step(trainer, trainer.global_step):
            pl_module.log("learning_rate", self._used)
