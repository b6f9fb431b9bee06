"""Filters that look at what an example has in common with others."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from concord.data.filters.candidate import Candidate


@runtime_checkable
class Limit(Protocol):
    """Keeps the first `max` of the examples that have something in common. Its `repr` tells all its settings.

    It counts the examples that all predicates keep, in their order, wherever it stands among the filters: a copy that is
    dropped for another reason does not take the place of one that is not.
    """

    @property
    def max(self) -> int:
        """At least 1."""

    def shared(self, candidate: Candidate) -> str | None:
        """What it may have in common with others; None for an example that is always kept. Several threads may ask at once."""


@dataclass(frozen=True)
class DuplicateCaptions:
    """Keeps at most `max` examples with the same first caption, whatever its capitals, punctuation and spaces."""

    max: int = 1

    def __post_init__(self) -> None:
        if self.max < 1:
            raise ValueError(f"max must be at least 1, got {self.max}")

    def shared(self, candidate: Candidate) -> str | None:
        return normalise(candidate.captions[0]) if candidate.captions else None


_NO_LETTERS = re.compile(r"[\W_]+")


def normalise(caption: str) -> str:
    """A caption in small letters, without punctuation, its words one space apart; one without letters keeps its signs."""
    plain = unicodedata.normalize("NFKC", caption).casefold()
    return " ".join(_NO_LETTERS.split(plain)).strip() or " ".join(plain.split())


def within(numbers: Sequence[int] | np.ndarray, most: int) -> np.ndarray:
    """Which of a row of numbers, uint64 [n], stand among the first `most` of their value, bool [n]; zeros always do."""
    values = np.asarray(numbers, dtype=np.uint64)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    places = np.arange(len(ordered))
    rank = places - np.maximum.accumulate(np.where(first, places, 0))
    kept = np.empty(len(values), dtype=bool)
    kept[order] = rank < most
    return kept | (values == 0)
