"""Who is near whom: hubs, neighbourhoods in two spaces, and retrieval without the gap between modalities.

Dimensions: N pairs, E embedding width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from concord.benchmarks.ranking import label_ranks
from concord.benchmarks.retrieval.nearest import nearest

CONSTANT = 1e-9
"""Standard deviation of occurrences below which nothing is a hub."""


def hubness(queries: Tensor, gallery: Tensor, k: int = 10) -> float:
    """Skewness of how often each of a gallery of unit vectors is among the k nearest of the queries (Radovanovic et al. 2010).

    0 where all occur equally often; large where a few are near to everything.
    """
    occurrences = nearest(queries @ gallery.T, k).sum(dim=0)
    centred = occurrences - occurrences.mean()
    deviation = centred.square().mean().sqrt()
    return 0.0 if deviation < CONSTANT else float((centred**3).mean() / deviation**3)


def neighbour_overlap(first: Tensor, second: Tensor, k: int = 10) -> Tensor:
    """By example, the share of its k nearest neighbours among unit vectors [N, D] that it also has among others [N, D'], [N].

    The mean is the mutual nearest-neighbour alignment of Huh et al. 2024; chance is k / (N - 1). Neighbours that tie for the
    last places share them.
    """
    own = torch.eye(len(first), dtype=torch.bool)
    near = [nearest((vectors @ vectors.T).masked_fill(own, -torch.inf), k) for vectors in (first, second)]
    return (near[0] * near[1]).sum(dim=1) / k


def hits(queries: Tensor, gallery: Tensor) -> NDArray:
    """Whether each of N unit vectors is nearest to the one at its own place, [N]; a tie is a miss."""
    found: NDArray = (label_ranks(queries @ gallery.T, torch.arange(len(queries))) == 1).double().numpy()
    return found


def centred(vectors: Tensor) -> Tensor:
    """Vectors [N, E] without their mean, at unit length again; those that are the mean become zero."""
    moved = vectors - vectors.mean(dim=0)
    moved = torch.where(moved.norm(dim=1, keepdim=True) > 1e-6, moved, 0.0)
    return F.normalize(moved, dim=1)
