"""Who wins when scores are compared. Ties never count as right.

The usual shortcuts flatter a model that says the same of everything: with `argmax` the first of equal scores wins, and the
right answer often stands first. Here a right answer wins only by scoring strictly higher, whatever the sign of the scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

TIE = 1e-6
"""Relative width of a tie. Matrix products in single precision differ by about this much with the place of a row."""


def tie_width(right: Tensor) -> float:
    """How far apart two scores must be to differ, given all scores of right answers: 1e-6 of the largest in absolute value."""
    finite = right[right.isfinite()]
    return TIE * float(finite.abs().max()) if len(finite) else 0.0


def rivals(scores: Tensor, right: Tensor, width: float) -> Tensor:
    """Which candidates a right answer does not beat: those that are not lower by more than `width`; bool of the broadcast shape.

    A right answer is among its own rivals. With scores that are not numbers everyone is a rival.
    """
    return ~(scores < right - width)


def ranks_of(scores: Tensor, labels: Tensor) -> Tensor:
    """The place of the right class in each row, 1 for the best, after all that tie with it; int64 [N].

    Args:
        scores: [N, C].
        labels: [N] int64, the right class.
    """
    right = scores.gather(1, labels[:, None])
    return rivals(scores, right, tie_width(right)).sum(dim=1)


def wins(right: Tensor, wrong: Tensor, width: float) -> bool:
    """Whether the right answer, a scalar, strictly beats every wrong one, [k]."""
    return not bool(torch.any(rivals(wrong, right, width)))
