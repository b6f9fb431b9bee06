"""How sure a number is, and what guessing would give.

Dimensions: n examples, K statistics of them, R resamples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""From how often each example counts, [n], to the statistics of such a sample, [K]."""

LEVEL = 0.95


class Interval(NamedTuple):
    """Two-sided 95% interval."""

    low: float
    high: float


def bootstrap(
    statistic: Statistic,
    n: int,
    resamples: int,
    rng: np.random.Generator,
    units: NDArray[np.int64] | None = None,
    strata: NDArray[np.int64] | None = None,
) -> Floats:
    """The statistics of samples drawn with replacement (Efron 1979), [R, K].

    Args:
        statistic: maps weights [n] to [K].
        n: number of examples.
        resamples: R.
        rng: decides the draws.
        units: [n] which unit an example belongs to, 0 to U - 1. Whole units are drawn, because examples that share a
            picture are not independent. Without it each example is a unit.
        strata: [n] which stratum an example belongs to. Each stratum keeps its size; for means over classes, which are
            fixed and not sampled. Not together with units.
    """
    if units is not None and strata is not None:
        raise ValueError("units and strata cannot be given together")
    return np.stack([statistic(weights) for weights in _weights(n, resamples, rng, units, strata)])


def mean_of(values: ArrayLike) -> Statistic:
    """The mean of each column of values [n, K], or of values [n]."""
    columns = np.asarray(values, dtype=np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    return lambda weights: weights @ columns / weights.sum()


def class_mean_of(values: ArrayLike, labels: NDArray[np.int64]) -> Statistic:
    """The mean over classes of the mean of values [n] in each; over the classes that occur in the sample."""
    array = np.asarray(values, dtype=np.float64)
    _, classes = np.unique(labels, return_inverse=True)

    def statistic(weights: Floats) -> Floats:
        counts = np.bincount(classes, weights)
        present = counts > 0
        return np.atleast_1d((np.bincount(classes, weights * array)[present] / counts[present]).mean())

    return statistic


def median_of(values: ArrayLike) -> Statistic:
    """The smallest of the values [n] that at least half of the sample does not exceed."""
    array = np.asarray(values, dtype=np.float64)
    order = np.argsort(array, kind="stable")
    ordered = array[order]

    def statistic(weights: Floats) -> Floats:
        cumulative = np.cumsum(weights[order])
        return ordered[[np.searchsorted(cumulative, cumulative[-1] / 2)]]

    return statistic


def percentile_interval(samples: Floats) -> Interval:
    """The middle 95% of resampled values [R]."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(float(low), float(high))


def share_interval(share: float, samples: Floats, units: int) -> Interval:
    """The interval of an accuracy: percentiles of its resampled values [R].

    Where all answers were right, or all wrong, every resample says the same, and the percentiles would claim certainty;
    there the interval is Wilson's (1927), as if the units had been answered one by one.
    """
    if 0 < share < 1:
        return percentile_interval(samples)
    z2 = 1.959963984540054**2
    uncertain = z2 / (units + z2)
    return Interval(0.0, uncertain) if share == 0 else Interval(1 - uncertain, 1.0)


def recall_by_chance(pool: int, matches: Sequence[int], k: int) -> float:
    """The expected recall at k of a random order, 1 - C(pool - m, k) / C(pool, k), averaged over queries.

    Args:
        pool: number of candidates.
        matches: by query, how many candidates are right (m).
        k: how many of the best candidates are looked at.
    """
    return sum(times * _hit(pool, m, k) for m, times in Counter(matches).items()) / len(matches)


def median_rank_by_chance(pool: int, matches: Sequence[int]) -> float:
    """The median, over queries and random orders, of the rank of the best right candidate."""
    low, high = 1, pool
    while low < high:
        middle = (low + high) // 2
        if recall_by_chance(pool, matches, middle) >= 0.5:
            high = middle
        else:
            low = middle + 1
    return float(low)


def _hit(pool: int, matches: int, k: int) -> float:
    if matches + k > pool:
        return 1.0
    return 1.0 - math.prod((pool - k - i) / (pool - i) for i in range(matches))


def _weights(
    n: int, resamples: int, rng: np.random.Generator, units: NDArray[np.int64] | None, strata: NDArray[np.int64] | None
) -> Iterator[Floats]:
    """How often each example is drawn, [n], one resample after another."""
    groups = np.zeros(n, dtype=np.int64) if strata is None else strata
    if units is not None:
        groups = np.zeros(int(units.max()) + 1, dtype=np.int64)
    order = np.argsort(groups, kind="stable")
    _, starts, inverse, sizes = np.unique(groups[order], return_index=True, return_inverse=True, return_counts=True)
    first, size = starts[inverse], sizes[inverse]
    for _ in range(resamples):
        drawn = order[first + (rng.random(len(groups)) * size).astype(np.int64)]
        counts = np.bincount(drawn, minlength=len(groups)).astype(np.float64)
        yield counts if units is None else counts[units]
