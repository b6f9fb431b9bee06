"""Learning-rate schedules: a linear warm-up, then cosine, linear or constant."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import LambdaLR

from concord.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A factor on every group's learning rate, a pure function of the step.

    Args:
        warmup: optimizer steps over which the rate rises linearly; an int counts steps, a float below 1 is a share of all steps.
    """

    warmup: int | float = 0.05

    def __post_init__(self) -> None:
        if self.warmup < 0 or (isinstance(self.warmup, float) and self.warmup >= 1):
            raise ValueError(f"warmup must be a number of steps (int, at least 0) or a share of them (float in [0, 1)), got {self.warmup}")

    def build(self, optimizer: torch.optim.Optimizer, total_steps: int) -> LambdaLR:
        """The scheduler, to be stepped after every optimizer step.

        Raises:
            ConfigError: the warm-up is not shorter than the run.
        """
        warmup = self.warmup_steps(total_steps)
        if warmup >= total_steps:
            raise ConfigError(f"schedule.warmup is {warmup} steps and the run has {total_steps}; lower it or raise trainer.max_steps")
        return LambdaLR(optimizer, lambda step: self.factor(step, total_steps))

    def warmup_steps(self, total_steps: int) -> int:
        return round(self.warmup * total_steps) if isinstance(self.warmup, float) else self.warmup

    def factor(self, step: int, total_steps: int) -> float:
        """Factor on the learning rate of optimizer step `step`, counted from 0."""
        warmup = self.warmup_steps(total_steps)
        if step < warmup:
            return (step + 1) / warmup
        return self.decay(min(1.0, (step - warmup) / (total_steps - warmup)))

    def decay(self, progress: float) -> float:
        """Factor after the warm-up; `progress` runs from 0 to 1."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """Warm-up, then the full rate."""

    def decay(self, progress: float) -> float:
        return 1.0


@dataclass(frozen=True, kw_only=True)
class _Decaying(Schedule):
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.final <= 1:
            raise ValueError(f"final must lie in [0, 1], got {self.final}")


@dataclass(frozen=True, kw_only=True)
class Linear(_Decaying):
    """Warm-up, then a straight line down to `final` times the rate."""

    def decay(self, progress: float) -> float:
        return 1 - (1 - self.final) * progress


@dataclass(frozen=True, kw_only=True)
class Cosine(_Decaying):
    """Warm-up, then half a cosine down to `final` times the rate (Loshchilov & Hutter 2017, without restarts)."""

    def decay(self, progress: float) -> float:
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * progress))
