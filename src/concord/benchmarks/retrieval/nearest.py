"""Who is among the nearest, when several are equally near.

Dimensions: Q queries, M candidates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from concord.benchmarks.ranking import TIE


def nearest(scores: Tensor, k: int) -> Tensor:
    """How far each candidate belongs to the k best of each query, float64 [Q, M] in [0, 1]; rows sum to k.

    Candidates that tie for the last places share them, so that the answer does not depend on their order.

    Args:
        scores: [Q, M], higher is nearer; -inf for who is no candidate.
        k: at most as many as there are candidates.
    """
    last = scores.topk(k, dim=1).values[:, -1:]
    width = tie_width(scores)
    above, level = scores > last + width, (scores - last).abs() <= width
    share = (k - above.sum(dim=1, keepdim=True)) / level.sum(dim=1, keepdim=True).double()
    return above + level * share


def tie_width(scores: Tensor) -> Tensor:
    """How far scores of a query may differ and still tie, [Q, 1]."""
    return TIE * torch.where(scores.isfinite(), scores.abs(), 0.0).amax(dim=1, keepdim=True)
