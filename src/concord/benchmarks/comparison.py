"""Two models on the same examples: by how much they differ, and whether that could be luck.

Dimensions: n examples, U independent units among them, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.records import Answers
from concord.benchmarks.statistics import Interval, bootstrap, mean_of, percentile_interval
from concord.errors import DataError


@dataclass(frozen=True)
class Comparison:
    """One number of two models, a and b.

    Attributes:
        name: that of the record.
        n, units: examples, and the independent units that they come from.
        a, b: the two values.
        low, high: 95% interval of b - a, from a paired bootstrap over units.
        bootstrap_p: two-sided p-value of the same bootstrap; at least 1 / (R + 1).
        only_a, only_b: examples that a alone, b alone got right; None for answers that are not right or wrong.
        mcnemar_p: two-sided exact p-value of these (McNemar 1947); None where answers are not right or wrong, or share units,
            which this test takes to be independent.
        p: the one that counts: McNemar's where there is one, else the bootstrap's.
        adjusted_p: p after Holm's correction (1979) for all numbers that were compared together.
    """

    name: str
    n: int
    units: int
    a: float
    b: float
    low: float
    high: float
    bootstrap_p: float
    only_a: int | None
    only_b: int | None
    mcnemar_p: float | None
    p: float
    adjusted_p: float

    @property
    def difference(self) -> float:
        return self.b - self.a


def compare_answers(a: Mapping[str, Answers], b: Mapping[str, Answers], resamples: int = 10_000, seed: int = 0) -> list[Comparison]:
    """Compare what two models got, number by number, over those that both have.

    Args:
        a, b: answers by name of the record.
        resamples: R, at least 1000.
        seed: of the bootstrap.

    Raises:
        DataError: where they have no number in common, or one of it over different examples.
    """
    if resamples < 1000:
        raise ValueError(f"resamples must be at least 1000, got {resamples}")
    names = [name for name in a if name in b]
    if not names:
        raise DataError("a and b have no measured number in common; evaluate both with the same benchmark")
    found = [
        _compare(a[name], _aligned(a[name], b[name]), resamples, np.random.default_rng([seed, place])) for place, name in enumerate(names)
    ]
    adjusted = holm([comparison.p for comparison in found])
    return [replace(comparison, adjusted_p=p) for comparison, p in zip(found, adjusted, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several, step down (Holm 1979, "A simple sequentially rejective multiple test procedure")."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided exact p-value of the examples on which the two disagree (McNemar 1947); 1 where they never do."""
    from scipy.stats import binomtest  # slow to import

    return float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0


def _aligned(a: Answers, b: Answers) -> NDArray[np.float64]:
    """b's values in the order of a's examples."""
    if len(set(a.keys)) != len(a.keys):
        if list(a.keys) == list(b.keys):  # several questions about one example, asked in the same order
            return b.values
        raise DataError(f"{a.name}: a and b were not asked the same questions in the same order; evaluate both with the same benchmark")
    place = {key: row for row, key in enumerate(b.keys)}
    if place.keys() != set(a.keys):
        raise DataError(f"{a.name}: a and b were measured on different examples; evaluate both with the same benchmark and data")
    return b.values[[place[key] for key in a.keys]]


def _compare(a: Answers, b: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> Comparison:
    differences = b - a.values
    numbered = np.unique(a.units, return_inverse=True)[1]
    units = int(numbered.max()) + 1
    samples = bootstrap(mean_of(differences), len(differences), resamples, rng, numbered)[:, 0]
    low, high = percentile_interval(samples) if np.any(differences) else Interval(0.0, 0.0)
    luck = _bootstrap_p(samples)
    binary = bool(np.isin(a.values, (0, 1)).all() and np.isin(b, (0, 1)).all())
    only_a, only_b = (int((differences < 0).sum()), int((differences > 0).sum())) if binary else (None, None)
    exact = mcnemar(only_a, only_b) if only_a is not None and only_b is not None and units == len(differences) else None
    p = luck if exact is None else exact
    means = float(a.values.mean()), float(b.mean())
    return Comparison(a.name, len(differences), units, *means, low, high, luck, only_a, only_b, exact, p, p)


def _bootstrap_p(samples: NDArray[np.float64]) -> float:
    """Twice the share of resampled differences on the other side of zero; a resample counts for the observed one."""
    below, above = int((samples <= 0).sum()), int((samples >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (len(samples) + 1))
