"""Equal texts of different patients: reports of normal studies above all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from concord.data.filters.limits import normalise


@dataclass(frozen=True)
class Repeats:
    """How many of some texts are equal but for capitals, punctuation and spaces. It holds none of them.

    Attributes:
        texts: all.
        distinct: different ones.
        sharing: texts that another one is equal to.
        most: how often the commonest stands.
    """

    texts: int
    distinct: int
    sharing: int
    most: int


def same_text(texts: Iterable[str]) -> np.ndarray:
    """For each text the number of what it says, int64 [N]: equal for texts that are equal but for capitals, punctuation and spaces.

    Pairs of one number are positives of one another: a report that fits both pictures is no negative of either.
    """
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(normalise(text), len(numbers)) for text in texts], dtype=np.int64)


def repeats(texts: Iterable[str]) -> Repeats:
    """Count the equal ones."""
    counts = Counter(map(normalise, texts)).values()
    return Repeats(sum(counts), len(counts), sum(count for count in counts if count > 1), max(counts, default=0))
