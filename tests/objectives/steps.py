"""A few steps of training on one rank, in every way in which concord can compute them. Imported by the processes of a test."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from concord.distributed import Ranks
from concord.models.dual_encoder import DualEncoder
from concord.objectives import Objective, Step
from concord.types import Batch
from tests.tiny import rows


@dataclass
class Case:
    """An objective with its heads, the model that carries it, and a global batch with all that it needs to see."""

    model: DualEncoder
    objective: Objective
    batch: Batch


PAIRS, MICRO_BATCH, TILE = 18, 5, 7
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
STEPS = {torch.float32: 1, torch.float64: 2}
"""Of training. A second step shows the state that the first one left: teachers, centres."""

Values = dict[str, Tensor]
Way = tuple[torch.dtype, int | None, int | None]
"""Precision, micro-batch and tile."""
Found = dict[str, dict[Way, Values]]
"""By objective and way."""


class SharedNoise(TorchFunctionMode):
    """Draws noise for the pairs of all ranks from one seed, and gives each rank the rows of its own pairs."""

    OTHERS = (torch.randint, torch.randperm, torch.bernoulli, torch.multinomial, torch.rand_like, torch.randn_like, torch.randint_like)

    def __init__(self, pairs: int, ranks: Ranks) -> None:
        super().__init__()
        self.pairs, self.ranks, self.draws = pairs, ranks, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self.OTHERS:
            raise NotImplementedError(f"SharedNoise cannot share {func.__name__} among ranks yet; draw with torch.rand or teach it")
        if func not in (torch.rand, torch.randn) or (kwargs and kwargs.get("generator") is not None):
            return func(*args, **(kwargs or {}))
        count, *shape = args[0] if isinstance(args[0], tuple | list | torch.Size) else args
        assert count % self.pairs == 0, f"noise for {count} rows of {self.pairs} pairs: draw it for all pairs, before step.in_pieces"
        self.draws += 1
        generator = torch.Generator().manual_seed(self.draws)
        everyone = func(count * self.ranks.world, *shape, generator=generator, **{k: v for k, v in (kwargs or {}).items() if k == "dtype"})
        return everyone[self.ranks.offset(count) : self.ranks.offset(count) + count]


def learn(case: Case, dtype: torch.dtype, micro_batch: int | None, tile: int | None) -> Values:
    """Loss, gradients and state after a step or two of training, averaged over ranks as DDP does."""
    ranks, (model, objective) = Ranks.current(), copy.deepcopy((case.model.to(dtype), case.objective.to(dtype)))
    if tile is not None:
        objective.tile = tile  # type: ignore[assignment]
    count = PAIRS // ranks.world
    share = rows(case.batch, ranks.offset(count), ranks.offset(count) + count)
    named = {f"model.{n}": p for n, p in model.named_parameters()} | {f"head.{n}": p for n, p in objective.named_parameters()}
    for number in range(STEPS[dtype]):
        with SharedNoise(count, ranks):
            loss = objective(Step(model, share, ranks, micro_batch)).loss
            loss.backward()
        gradients = {name: ranks.mean(p.grad) for name, p in named.items() if p.grad is not None}
        for name, gradient in gradients.items():
            named[name].data -= 0.01 * gradient
            named[name].grad = None
        objective.after_step(model, number / 2)
    return {"loss": ranks.mean(loss), **gradients} | {f"state.{name}": tensor for name, tensor in objective.state_dict().items()}


def ways(case: Case) -> list[Way]:
    """In double precision each way by itself and all together; in single precision, which runs the same code, all together."""
    tiles = [None, TILE] if hasattr(case.objective, "tile") else [None]
    double = [(torch.float64, micro_batch, tile) for micro_batch in (None, MICRO_BATCH) for tile in tiles]
    return [*double, (torch.float32, None, None), (torch.float32, MICRO_BATCH, tiles[-1])]


def learn_all(file: Path) -> Found:
    """Every objective in every way, on this rank."""
    cases: dict[str, Case] = torch.load(file, weights_only=False)
    return {name: {way: learn(case, *way) for way in ways(case)} for name, case in cases.items()}
