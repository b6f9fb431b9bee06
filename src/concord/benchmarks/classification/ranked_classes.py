"""Examples ranked by score, class by class: average precision and AUROC, also of weighted samples, all classes at a time.

Dimensions: N examples, C classes, P positives of all classes together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.ranking import TIE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class RankedClasses:
    """The examples of each class from the highest score to the lowest; those without a label for a class do not count in it.

    Scores that differ by less than about a millionth of the largest one tie (see `ranking.TIE`), so that a model that says the
    same of everything is not ranked by its rounding errors. Examples that tie enter the ranking together, as in scikit-learn:
    such a model has the share of positives as average precision, and 0.5 as AUROC. Both agree with scikit-learn's.

    Args:
        scores: [N, C].
        labels: [N, C], 1 or 0, or nan where unknown.
        largest: the largest score in absolute value that the width of a tie goes by; None takes that of `scores`.
    """

    def __init__(self, scores: Floats, labels: Floats, largest: float | None = None) -> None:
        self.examples, self.classes = scores.shape
        width = TIE * (np.abs(scores).max() if largest is None else largest)
        known = [np.flatnonzero(~np.isnan(column)) for column in labels.T]
        ranked = [_ranked(scores[rows, c], width) for c, rows in enumerate(known)]
        self.broken = np.array([not np.isfinite(scores[rows, c]).all() for c, rows in enumerate(known)])
        self._edges = np.cumsum([0, *map(len, known)])
        self._rows = np.concatenate([rows[order] for rows, (order, _, _) in zip(known, ranked, strict=True)])
        classes = np.repeat(np.arange(self.classes), np.diff(self._edges))
        self._place = np.flatnonzero(labels[self._rows, classes] == 1)
        self._class = classes[self._place]
        base = self._edges[self._class]
        start, end = (np.concatenate(part)[self._place] + base for part in list(zip(*ranked, strict=True))[1:])
        self._base, self._start, self._end = (self._reach(place) for place in (base, start, end + 1))

    def counts(self, weights: Floats) -> tuple[Floats, Floats]:
        """How many positives and how many examples each class has in a sample, 2 x [C]; weights are [N]."""
        total = np.diff(_cumulative(weights[self._rows])[self._edges])
        return self._sum(weights[self._rows[self._place]]), total

    def average_precision(self, weights: Floats) -> Floats:
        """Mean over the positives of the precision down to each and all that tie with it, [C]; nan without positives."""
        own, hits, seen = self._down_to_end(weights)
        precision = np.divide(hits, seen, out=np.zeros(len(own)), where=own > 0)
        return self._checked(_divide(self._sum(own * precision), self._sum(own)))

    def interpolated_precision(self, weights: Floats) -> Floats:
        """Mean over the recalls 0, 0.1, ..., 1 of the best precision at that recall or a higher one, [C] (VOC 2007 devkit)."""
        own, hits, seen = self._down_to_end(weights)
        found = np.full(self.classes, np.nan)
        for c in range(self.classes):
            rows = (self._class == c) & (own > 0)
            if rows.any():
                best = np.maximum.accumulate((hits[rows] / seen[rows])[::-1])[::-1]
                found[c] = best[np.searchsorted(10 * hits[rows], np.arange(11) * own[rows].sum())].mean()
        return self._checked(found)

    def auroc(self, weights: Floats) -> Floats:
        """Probability that a positive stands above a negative, where a tie counts half, [C]; nan without either."""
        own, hits, seen = self._down_to_end(weights)
        hits_before, seen_before = self._between(weights, self._start)
        positives, total = self.counts(weights)
        negatives = total - positives
        below = negatives[self._class] - ((seen - hits) + (seen_before - hits_before)) / 2
        return self._checked(_divide(self._sum(own * below), positives * negatives))

    @property
    def ties(self) -> Integers:
        """By class, how many positives tie with a negative, [C]."""
        ones = np.ones(int(self._rows.max(initial=-1)) + 1)
        _, hits, seen = self._down_to_end(ones)
        hits_before, seen_before = self._between(ones, self._start)
        mixed = (seen - seen_before) > (hits - hits_before)
        return np.bincount(self._class[mixed], minlength=self.classes)

    def _down_to_end(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """By positive: its weight, and the positives and examples of its class down to it and all that tie with it, 3 x [P]."""
        return weights[self._rows[self._place]], *self._between(weights, self._end)

    def _reach(self, place: Integers) -> tuple[Integers, Integers]:
        """How many positives, and how many examples, stand before a place, classes one after the other."""
        return np.searchsorted(self._place, place), place

    def _between(self, weights: Floats, reach: tuple[Integers, Integers]) -> tuple[Floats, Floats]:
        """The positives and the examples of a sample from the top of a class on, 2 x [P]."""
        hits, seen = _cumulative(weights[self._rows[self._place]]), _cumulative(weights[self._rows])
        return hits[reach[0]] - hits[self._base[0]], seen[reach[1]] - seen[self._base[1]]

    def _sum(self, values: Floats) -> Floats:
        sums: Floats = np.bincount(self._class, values, minlength=self.classes).astype(np.float64)
        return sums

    def _checked(self, values: Floats) -> Floats:
        return np.where(self.broken, np.nan, values)


def _ranked(scores: Floats, width: float) -> tuple[Integers, Integers, Integers]:
    """The order from the highest to the lowest, and by place the first and the last place of those that tie, 3 x [n]."""
    steps = np.zeros(len(scores), dtype=np.int64)
    if width > 0 and np.isfinite(scores).all() and len(scores):
        steps = np.rint((scores - scores.min()) / width).astype(np.int64)
    order = np.argsort(-steps, kind="stable")
    new = np.diff(steps[order], prepend=steps.max(initial=0) + 1) != 0
    group = np.cumsum(new) - 1
    first = np.flatnonzero(new)
    return order, first[group], np.append(first[1:], len(scores))[group] - 1


def _cumulative(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def _divide(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
