"""How a step is computed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How a step is computed: memory and time, never the value of the loss.

    Args:
        micro_batch: pairs per process that go through a tower at a time, at least 1. Only their features are kept, and each piece
            runs again in the backward pass (GradCache, Gao et al. 2021), so that activations take no more memory than those of
            one piece while negatives are those of the whole batch. None runs all pairs of a process at once.
    """

    micro_batch: int | None = None

    def __post_init__(self) -> None:
        if self.micro_batch is not None and self.micro_batch < 1:
            raise ValueError(f"micro_batch must be at least 1 or null, got {self.micro_batch}")
