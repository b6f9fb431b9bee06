"""What processes would tell one another in a step: counted, and not sent.

Dimensions: W processes, b rows on each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from concord.distributed import Ranks


@dataclass(frozen=True)
class Transfer:
    """One collective.

    Attributes:
        kind: "gather", "sum" (all-reduce), "scatter" (reduce-scatter) or "shift" (to the neighbour in the ring).
        bytes: of the whole tensor: of what all processes have after a gather and before a scatter, of what is summed, of what
            goes to the neighbour.
        world: W, the processes that take part.
        what: on whose behalf, such as "gradients".
    """

    kind: str
    bytes: int
    world: int
    what: str = "loss"

    @property
    def sent(self) -> float:
        """Bytes that each of the processes sends, in a ring: (W - 1) / W of a gather or a scatter, twice that of a sum."""
        if self.world == 1:
            return 0.0
        if self.kind == "shift":
            return float(self.bytes)
        return self.bytes * (self.world - 1) / self.world * (2 if self.kind == "sum" else 1)

    @property
    def rounds(self) -> int:
        """How often one process waits for another, in a tree."""
        if self.world == 1:
            return 0
        return 1 if self.kind == "shift" else math.ceil(math.log2(self.world)) * (2 if self.kind == "sum" else 1)


class _Gather(torch.autograd.Function):
    """All-gather of rows [b, ...] in shape alone; backward sums the gradient of all rows."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, ranks: PlannedRanks) -> Tensor:
        ctx.rows, ctx.ranks = local.shape[0], ranks
        gathered = local.new_empty(ranks.world * local.shape[0], *local.shape[1:])
        ranks.note("gather", gathered)
        return gathered

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous()
        ctx.ranks.note("sum", total)
        return total[: ctx.rows], None


class _Shift(torch.autograd.Function):
    """A hop round the ring in shape alone."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, ranks: PlannedRanks) -> Tensor:
        ctx.ranks = ranks
        return ranks.hop(tensor)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks.hop(grads[0]), None


@dataclass(frozen=True)
class PlannedRanks(Ranks):
    """The first of W processes of which the others are not there; `transfers` says what it would have told them.

    All processes are taken to have batches of equal shapes, so that nothing has to be padded.
    """

    transfers: list[Transfer] = field(default_factory=list)

    def among(self, count: int) -> PlannedRanks:
        return self if count == self.world else PlannedRanks(0, count, transfers=self.transfers)

    def note(self, kind: str, tensor: Tensor) -> None:
        self.transfers.append(Transfer(kind, tensor.nbytes, self.world))

    def hop(self, tensor: Tensor) -> Tensor:
        self.note("shift", tensor)
        return torch.empty_like(tensor, memory_format=torch.contiguous_format)

    def gather(self, local: Tensor) -> Tensor:
        return local if self.world == 1 else _Gather.apply(local, self)  # type: ignore[no-any-return, no-untyped-call]

    def gather_padded(self, local: Tensor, dim: int = 1, value: float = 0.0) -> Tensor:
        if self.world == 1:
            return local
        self.transfers.append(Transfer("sum", 8, self.world))  # of the longest length
        return self.gather(local.to(torch.uint8)).bool() if local.dtype == torch.bool else self.gather(local)

    def shift(self, tensor: Tensor, step: int = 1) -> Tensor:
        return tensor if self.world == 1 else _Shift.apply(tensor, self)  # type: ignore[no-any-return, no-untyped-call]

    def gather_objects(self, value: Any) -> list[Any]:
        return [value] * self.world

    def _reduce(self, value: Tensor, operation: Any) -> Tensor:
        if self.world > 1:
            self.note("sum", value)
        # Not a copy: a number that is known stays known, such as the length of the longest caption.
        return value.detach()
