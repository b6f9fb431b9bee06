"""Who wins when scores are compared. Ties never count as right.

The usual shortcuts flatter a model that says the same of everything: with `argmax` the first of equal scores wins, and the
right answer often stands first. Here a right answer wins only by scoring strictly higher, whatever the sign of the scores.

Dimensions: Q queries, K candidates, P right pairs of a query and a candidate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TIE = 1e-6
"""Width of a tie, relative to the largest score of the query in absolute value. Matrix products in single precision differ
by about this much with the place of a row, so that equal embeddings do not give exactly equal scores."""

TILE = 2**22
"""Scores that are held at one time."""


def rivals(scores: Tensor, right: Tensor) -> Tensor:
    """Which candidates the right answer does not beat, bool [Q, K]; it is among its own rivals.

    With scores that are not numbers everyone is a rival.

    Args:
        scores: [Q, K].
        right: [Q, 1], the score of the right answer.
    """
    largest = scores.abs().masked_fill(~scores.isfinite(), 0.0).amax(dim=1, keepdim=True)
    return ~(scores < right - TIE * largest)


def label_ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """The place of the right candidate of each query, 1 for the best, after all that tie with it; int64 [Q].

    Args:
        scores: [Q, K].
        labels: [Q] int64, the right candidate.
    """
    return rivals(scores, scores.gather(1, labels[:, None])).sum(dim=1)


def match_ranks(score: Callable[[slice], Tensor], pairs: Tensor, copies: Tensor) -> Tensor:
    """The place of the best right candidate of each query, after all wrong ones that tie with it; int64 [Q].

    Args:
        score: the scores [q, K] of some queries, in any floating type; called for a few queries at a time.
        pairs: [P, 2] int64, query and right candidate, ordered by query; each query has at least one.
        copies: [K] int64, how many places a candidate takes if it is wrong.
    """
    queries = int(pairs[-1, 0]) + 1
    height = max(1, TILE // len(copies))
    starts = list(range(0, queries, height))
    edges = torch.searchsorted(pairs[:, 0].contiguous(), torch.tensor([*starts, queries])).tolist()
    ranks = []
    for start, first, last in zip(starts, edges[:-1], edges[1:], strict=True):
        scores = score(slice(start, min(start + height, queries))).cpu()
        query, candidate = pairs[first:last, 0] - start, pairs[first:last, 1]
        right = scores[query, candidate]
        right = right.masked_fill(right.isnan(), -torch.inf)
        best = torch.full((len(scores),), -torch.inf, dtype=right.dtype).scatter_reduce(0, query, right, "amax")
        wrong = rivals(scores, best[:, None])
        wrong[query, candidate] = False
        ranks.append(1 + (wrong.double() @ copies.double()).long())
    return torch.cat(ranks)
