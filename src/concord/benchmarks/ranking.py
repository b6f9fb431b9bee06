"""Who wins when scores are compared. Ties never count as right.

The usual shortcuts flatter a model that says the same of everything: with `argmax` the first of equal scores wins, and the
right answer often stands first. Here a right answer wins only by scoring strictly higher, whatever the sign of the scores.

Dimensions: Q queries, K candidates.
"""

from __future__ import annotations

from torch import Tensor

TIE = 1e-6
"""Width of a tie, relative to the largest score of the query in absolute value. Matrix products in single precision differ
by about this much with the place of a row, so that equal embeddings do not give exactly equal scores."""


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
