"""Whether embeddings say the same of everything. Dimensions: N examples, E embedding width."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_cosine(vectors: Tensor) -> Tensor:
    """Mean cosine of the angle between different rows of [N, E], N at least 2; 1 where all point the same way.

    The sum over all pairs is the squared length of the sum of the unit vectors, N of it from each row with itself.
    """
    count = vectors.shape[0]
    together = F.normalize(vectors.float(), dim=-1).sum(dim=0).square().sum()
    return (together - count) / (count * (count - 1))


def participation_ratio(vectors: Tensor) -> Tensor:
    """How many directions carry the variance of [N, E], N at least 2: the squared trace of the covariance over the trace of its
    square, in [1, min(N - 1, E)]; 1 as well where the rows are equal.

    It takes the smaller one of the two matrices of inner products, and no eigenvalues.
    """
    centred = vectors.float() - vectors.float().mean(dim=0)
    gram = centred @ centred.T if centred.shape[0] < centred.shape[1] else centred.T @ centred
    square = gram.square().sum()
    return torch.where(square > 0, gram.trace().square() / square, 1.0)
