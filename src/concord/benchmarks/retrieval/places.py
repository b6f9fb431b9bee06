"""What the places of the right candidates are worth: recall, reciprocal rank, average precision, and what guessing would get.

Dimensions: Q queries, P places of right candidates, K candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from concord.benchmarks.statistics import recall_by_chance

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Where the right candidates of Q queries stand, 1 for the best; wrong ones that tie with a right one stand before it.

    Attributes:
        query: [P] which query, from 0 and in order.
        rank: [P] the places, ascending within a query. A candidate that takes several places has several.
        pool: [Q] how many candidates there are.
        ahead: [Q] wrong candidates strictly above the best right one.
        tied: [Q] wrong candidates that tie with it.
        level: [Q] right candidates that tie with it, itself included.
        grade: [P] how well they fit, where there is more than right and wrong.
    """

    query: Ints
    rank: Ints
    pool: Ints
    ahead: Ints
    tied: Ints
    level: Ints
    grade: Floats | None = None

    @staticmethod
    def of(
        query: Tensor, wrong: Tensor, copies: Tensor, pool: Tensor, ahead: Tensor, tied: Tensor, level: Tensor, grade: Tensor | None
    ) -> Places:
        """From the number of wrong candidates that each right one does not beat.

        Args:
            query, wrong, copies, grade: of right candidates, ordered by query and from the best to the worst.
            pool, ahead, tied, level: see above.
        """
        times = copies.numpy()
        queries = query.numpy().repeat(times)
        rank = wrong.numpy().repeat(times) + _counted(queries)
        grades = None if grade is None else grade.double().numpy().repeat(times)
        return Places(queries, rank, pool.numpy(), ahead.numpy(), tied.numpy(), level.numpy(), grades)

    @staticmethod
    def cat(parts: Sequence[Places]) -> Places:
        """The queries of several searches, one after another; without grades."""
        starts = np.cumsum([0, *(len(part) for part in parts)])
        query = np.concatenate([part.query + start for part, start in zip(parts, starts[:-1], strict=True)])
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("rank", "pool", "ahead", "tied", "level")]
        return Places(query, *columns)

    def __len__(self) -> int:
        return len(self.pool)

    def take(self, rows: ArrayLike) -> Places:
        """Some of the queries, in the order of the rows, which may repeat."""
        rows = np.asarray(rows, dtype=np.int64)
        counts = self.matches[rows]
        query = np.arange(len(rows)).repeat(counts)
        own = (self.matches.cumsum() - self.matches)[rows][query] + _counted(query) - 1
        grade = None if self.grade is None else self.grade[own]
        return Places(query, self.rank[own], self.pool[rows], self.ahead[rows], self.tied[rows], self.level[rows], grade)

    @property
    def matches(self) -> Ints:
        """How many right candidates each query has, [Q]."""
        return np.bincount(self.query, minlength=len(self.pool))

    @property
    def first(self) -> Ints:
        """The place of the best right candidate, [Q]."""
        return self.ahead + self.tied + 1

    @property
    def ties(self) -> int:
        """How many queries have a wrong candidate that ties with the best right one."""
        return int((self.tied > 0).sum())

    def hits(self, k: int) -> Floats:
        """Whether any right candidate is among the k best (recall at k as retrieval papers report it), [Q]."""
        return (self.first <= k).astype(np.float64)

    def fair_hits(self, k: int) -> Floats:
        """The chance of a hit at k if those that tie were put in a random order, [Q]."""
        return self._fair(lambda ahead, tied, level: recall_by_chance(tied + level, [level], min(max(k - ahead, 0), tied + level)))

    def fair_first(self) -> Floats:
        """The expected place of the best right candidate if those that tie were put in a random order, [Q]."""
        return np.asarray(self.ahead + 1 + self.tied / (self.level + 1), dtype=np.float64)

    def reciprocal(self) -> Floats:
        """One over the place of the best right candidate, [Q]; its mean is the mean reciprocal rank."""
        return np.asarray(1 / self.first, dtype=np.float64)

    def fair_reciprocal(self) -> Floats:
        """Its expectation if those that tie were put in a random order, [Q]."""
        return self._fair(lambda ahead, tied, level: reciprocal_by_chance(tied + level, level, ahead))

    def precision(self, depth: int | None = None) -> Floats:
        """The share of right candidates among the `depth` best, [Q]; by default among as many as are right (R-precision).

        Of a query that has fewer right candidates than that, the share of those that are found.
        """
        cut = self._cut(depth)
        found = np.bincount(self.query, self.rank <= cut[self.query], minlength=len(self))
        return found / np.minimum(cut, self.matches)

    def average_precision(self, depth: int | None = None) -> Floats:
        """The mean, over the right candidates that could be among the `depth` best, of the precision at each that is, [Q].

        By default the depth is the number of right candidates R: mAP@R (Musgrave et al. 2020). With a depth it is the AP@K of
        CIRCO (Baldrati et al. 2023), divided by the smaller of K and R.
        """
        cut = self._cut(depth)
        at_each = np.where(self.rank <= cut[self.query], _counted(self.query) / self.rank, 0.0)
        return np.bincount(self.query, at_each, minlength=len(self)) / np.minimum(cut, self.matches)

    def ndcg(self) -> Floats:
        """Normalised discounted cumulative gain over all candidates, the gain being the grade (Järvelin and Kekäläinen 2002), [Q]."""
        assert self.grade is not None
        return np.bincount(self.query, self.grade / np.log2(1 + self.rank), minlength=len(self)) / self._ideal()

    def ndcg_by_chance(self) -> float:
        """What a random order would get, in the mean over queries."""
        assert self.grade is not None
        gains = np.bincount(self.query, self.grade, minlength=len(self)) / self.pool
        discounts = np.concatenate([[0.0], np.cumsum(1 / np.log2(2 + np.arange(self.pool.max())))])
        return float((gains * discounts[self.pool] / self._ideal()).mean())

    def by_chance(self, expected: Callable[[int, int], float]) -> float:
        """The mean over queries of what a random order gets, given the numbers of candidates and of right ones."""
        kinds, times = np.unique(np.stack([self.pool, self.matches]), axis=1, return_counts=True)
        return float(sum(count * expected(pool, right) for (pool, right), count in zip(kinds.T.tolist(), times, strict=True)) / len(self))

    def _cut(self, depth: int | None) -> Ints:
        return self.matches if depth is None else np.full(len(self), depth)

    def _fair(self, expected: Callable[[int, int, int], float]) -> Floats:
        kinds, which = np.unique(np.stack([self.ahead, self.tied, self.level]), axis=1, return_inverse=True)
        return np.array([expected(*kind) for kind in kinds.T.tolist()], dtype=np.float64)[which.ravel()]

    def _ideal(self) -> Floats:
        """The gain of the best order, [Q]."""
        assert self.grade is not None
        best = self.grade[np.lexsort((-self.grade, self.query))]
        ideal = np.bincount(self.query, best / np.log2(1 + _counted(self.query)), minlength=len(self))
        return np.asarray(ideal, dtype=np.float64)


def reciprocal_by_chance(pool: int, right: int, ahead: int = 0) -> float:
    """The expectation of one over the place of the first right candidate in a random order behind `ahead` wrong ones."""
    place = np.arange(pool - right + 1)
    # The chance that the first `place` candidates are wrong, a falling product.
    wrong = np.concatenate([[1.0], np.cumprod((pool - right - place[:-1]) / (pool - place[:-1]))])
    return float((wrong * right / (pool - place) / (ahead + 1 + place)).sum())


def precision_by_chance(pool: int, right: int, depth: int | None = None) -> float:
    """The expectation of `Places.precision` of a random order."""
    cut = right if depth is None else depth
    return min(cut, pool) * right / pool / min(cut, right)


def average_precision_by_chance(pool: int, right: int, depth: int | None = None) -> float:
    """The expectation of `Places.average_precision` of a random order."""
    cut = right if depth is None else depth
    place = np.arange(1, min(cut, pool) + 1)
    others = (right - 1) / max(pool - 1, 1)
    return float((right / pool * (1 + (place - 1) * others) / place).sum() / min(cut, right))


def _counted(query: Ints) -> Ints:
    """1, 2, 3, ... within each run of equal numbers, [P]."""
    if len(query) == 0:
        return query
    begins = np.flatnonzero(np.concatenate([[True], np.diff(query) != 0]))
    return np.arange(len(query)) - begins.repeat(np.diff(np.append(begins, len(query)))) + 1
