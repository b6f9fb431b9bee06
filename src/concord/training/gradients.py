"""The norm of a gradient that may be split among processes, and clipping to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from concord.distributed import Ranks, local


def total_norm(gradients: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together, scalar; the same on every process, all of which must call."""
    split = [gradient.to_local() for gradient in gradients if isinstance(gradient, DTensor)]
    if not split:
        return torch.nn.utils.get_total_norm(gradients)
    squares = Ranks.current().sum(torch.nn.utils.get_total_norm(split).square())
    if rest := [gradient for gradient in gradients if not isinstance(gradient, DTensor)]:
        squares = squares + torch.nn.utils.get_total_norm(rest).square()
    return squares.sqrt()


@torch.no_grad()
def clip(gradients: Sequence[Tensor], largest: float) -> None:
    """Scale the gradients, in place, so that their norm is at most `largest`; as `torch.nn.utils.clip_grad_norm_` does."""
    factor = (largest / (total_norm(gradients) + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_([local(gradient) for gradient in gradients], factor)
