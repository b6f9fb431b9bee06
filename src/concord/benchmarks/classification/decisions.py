"""What is made of decisions, right and wrong: macro F1, Matthews' coefficient, Cohen's kappa, balanced accuracy, and thresholds for them.

Dimensions: N examples, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.ranking import TIE
from concord.benchmarks.statistics import Floats, Statistic

Integers = NDArray[np.int64]


def macro_f1(confusion: Floats) -> float:
    """Mean over the classes that occur of F1, from how often a class (row) was taken for each (column), [C, C].

    As scikit-learn's with the classes that occur as `labels`; WILDS reports it too.
    """
    return _f1(np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1))


def matthews(confusion: Floats) -> float:
    """Matthews' correlation coefficient of a confusion matrix [C, C] (Gorodkin 2004), 0 where it is not defined."""
    return _matthews(np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1))


def f1_of(labels: Integers, chosen: Integers, classes: int) -> Statistic:
    """Macro F1 of a sample; labels and choices are [N], a choice of -1 is none."""
    return _of_margins(labels, chosen, classes, _f1)


def matthews_of(labels: Integers, chosen: Integers, classes: int) -> Statistic:
    """Matthews' coefficient of a sample; labels and choices are [N], a choice of -1 is none and as good as a wrong class."""
    return _of_margins(labels, chosen, classes, _matthews)


def quadratic_kappa(confusion: Floats) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968) of a confusion matrix [C, C] of grades in order: 1 minus the mean squared
    distance of chosen from right grades over that of independent ones with the same frequencies; 0 where it is not defined."""
    grades = np.arange(len(confusion))
    weights = (grades[:, None] - grades) ** 2
    independent = (weights * np.outer(confusion.sum(axis=1), confusion.sum(axis=0))).sum()
    return float(1 - (weights * confusion).sum() * confusion.sum() / independent) if independent > 0 else 0.0


def kappa_of(labels: Integers, chosen: Integers, classes: int) -> Statistic:
    """Quadratic kappa of a sample; labels and choices are [N], a choice of -1 counts as the grade that is farthest from the right one."""
    farthest = np.where(labels > (classes - 1) / 2, 0, classes - 1)
    cells = labels * classes + np.where(chosen < 0, farthest, chosen)

    def statistic(weights: Floats) -> Floats:
        return np.array([quadratic_kappa(np.bincount(cells, weights, classes**2).astype(np.float64).reshape(classes, classes))])

    return statistic


def macro_f1_by_chance(labels: Integers, classes: int) -> float:
    """Macro F1 of a guess among all classes with equal probability, for many examples."""
    shares = np.bincount(labels) / len(labels)
    shares = shares[shares > 0]
    return float((2 * shares / (1 + classes * shares)).mean())


def _of_margins(labels: Integers, chosen: Integers, classes: int, metric: Callable[[Floats, Floats, Floats], float]) -> Statistic:
    decided = np.where(chosen < 0, classes, chosen)
    right = labels == chosen

    def statistic(weights: Floats) -> Floats:
        hits, taken, occurring = (
            np.bincount(place, counted, minlength=classes + 1).astype(np.float64)
            for place, counted in ((labels, weights * right), (decided, weights), (labels, weights))
        )
        return np.array([metric(hits, taken, occurring)])

    return statistic


def _f1(hits: Floats, taken: Floats, occurring: Floats) -> float:
    present = occurring > 0
    return float((2 * hits[present] / (taken + occurring)[present]).mean())


def _matthews(hits: Floats, taken: Floats, occurring: Floats) -> float:
    total = occurring.sum()
    square = (total**2 - taken @ taken) * (total**2 - occurring @ occurring)
    return float((hits.sum() * total - taken @ occurring) / np.sqrt(square)) if square > 0 else 0.0


def class_mean_samples(hits: NDArray[np.bool_], labels: Integers, resamples: int, rng: np.random.Generator) -> Floats:
    """The mean over classes of the share of hits [N] in each, of samples that are drawn within each class, [R].

    So many hits out of a class, drawn with replacement, are binomially distributed; nothing else has to be drawn.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    shares = np.bincount(classes, hits) / sizes
    samples: Floats = (rng.binomial(sizes, shares, size=(resamples, len(sizes))) / sizes).mean(axis=1)
    return samples


def outcomes(predicted: NDArray[np.bool_], labels: Floats) -> Callable[[Floats], tuple[Floats, Floats, Floats, Floats]]:
    """By class, true and false positives and negatives of a sample, 4 x [C].

    Args:
        predicted: [N, C].
        labels: [N, C], 1 or 0, or nan where unknown.
    """
    kinds = [(predicted == said) & (labels == is_so) for said, is_so in ((1, 1), (1, 0), (0, 1), (0, 0))]
    tables = [kind.astype(np.float64) for kind in kinds]
    return lambda weights: tuple(weights @ table for table in tables)  # type: ignore[return-value]


def binary_f1(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """F1 of the positives; 0 without any."""
    return _ratio(2 * tp, 2 * tp + fp + fn)


def binary_matthews(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """Matthews' coefficient; 0 where it is not defined."""
    return _ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))


def binary_balanced(tp: Floats, fp: Floats, fn: Floats, tn: Floats) -> Floats:
    """Mean of sensitivity and specificity."""
    return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2


BINARY: dict[str, Callable[[Floats, Floats, Floats, Floats], Floats]] = {
    "f1": binary_f1,
    "mcc": binary_matthews,
    "balanced_accuracy": binary_balanced,
}


def binary_by_chance(metric: str, share: Floats) -> Floats:
    """What a model that knows only the share of positives gets, [C]: F1 by always saying yes, 0, or one half."""
    if metric == "f1":
        return 2 * share / (1 + share)
    return np.full(len(share), 0.0 if metric == "mcc" else 0.5)


def best_threshold(scores: Floats, labels: Floats, metric: str, largest: float) -> float:
    """The threshold above which to say yes so that a metric of `BINARY` is highest, the highest of equally good ones.

    It lies midway between two scores that do not tie; below all of them it is minus infinity.

    Args:
        scores, labels: [n]; labels are 1, 0, or nan where unknown.
        metric: its name.
        largest: the largest score in absolute value that the width of a tie goes by.
    """
    known = ~np.isnan(labels)
    order = np.argsort(-scores[known], kind="stable")
    ranked, positive = scores[known][order], labels[known][order] == 1
    tp, fp = np.cumsum(positive).astype(np.float64), np.cumsum(~positive).astype(np.float64)
    values = BINARY[metric](tp, fp, tp[-1] - tp, fp[-1] - fp)
    below = np.append(ranked[1:], -np.inf)
    apart = ranked - below > TIE * largest
    cut = int(np.flatnonzero(apart)[np.argmax(values[apart])])
    return float((ranked[cut] + below[cut]) / 2)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(len(np.atleast_1d(below))), where=below > 0)
