"""Numbers that each class has of its own, as records, beside their mean over the classes.

Dimensions: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.classification.ranked_classes import RankedClasses
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.records import Record, Results
from concord.benchmarks.statistics import Floats, Interval, bootstrap, percentile_interval, share_interval
from concord.benchmarks.task import Asked, Task

DIGITS = 12
"""Decimals of a number that is a sum of weighted hits: more would be rounding errors, by which chance could be exceeded."""


@dataclass(frozen=True)
class ByClass:
    """A number for each class.

    Attributes:
        metric: name of its mean over the classes.
        own: name of the number of one class.
        statistic: from how often each image counts, [N], to the numbers, [C]; nan where a sample gives a class none.
        counted: [C] bool, the classes that have the number.
        chance: [C].
        ties: [C] how many answers of each class had a tie, which the numbers count as half; None where there cannot be any.
        signed: whether the numbers lie in [-1, 1] instead of [0, 1].
    """

    metric: str
    own: str
    statistic: Callable[[Floats], Floats]
    counted: NDArray[np.bool_]
    chance: Floats
    ties: NDArray[np.int64] | None = None
    signed: bool = False


def ranking(metric: Literal["map", "map_11point", "auroc"], ranked: RankedClasses) -> ByClass:
    """What the ranking of the images by each class is worth: average precision, or AUROC; see `ZeroShotMultiLabel`."""
    positives, known = ranked.counts(np.ones(ranked.examples))
    share = np.divide(positives, known, out=np.full(len(known), np.nan), where=known > 0)
    if metric == "auroc":
        return ByClass("auroc", "auroc", ranked.auroc, (share > 0) & (share < 1), np.full(len(share), 0.5), ranked.ties)
    if metric == "map":
        return ByClass("map", "ap", ranked.average_precision, share > 0, share, ranked.ties)
    return ByClass("map_11point", "ap_11point", ranked.interpolated_precision, share > 0, share, ranked.ties)


def report(task: Task, evaluation: Evaluation, found: ByClass, names: Sequence[str], labels: Floats, asked: Asked) -> Results:
    """A record of the mean, over images asked, and one of each class, over those that have a label for it.

    Args:
        task, evaluation: for the records.
        found: the numbers.
        names: [C], the subsets of the records.
        labels: [N, C], nan where unknown.
        asked: [N].
    """
    chosen = np.flatnonzero(found.counted)
    if not len(chosen):
        reason = "no class has both images that show it and images that do not"
        return Results(skipped={f"{task.kind}/{task.reader.name}/{found.metric}": reason})
    values = found.statistic(np.ones(len(asked)))[chosen]
    mean, own = _intervals(task, evaluation, found, chosen, values, asked)
    records = [_record(task, evaluation, found, found.metric, values, chosen, asked, mean)]
    for c, value, interval in zip(chosen.tolist(), values, own, strict=True):
        known = asked.take(np.flatnonzero(~np.isnan(labels[:, c])).tolist())
        records.append(_record(task, evaluation, found, found.own, np.array([value]), np.array([c]), known, interval, names[c]))
    return Results(records)


def _record(
    task: Task,
    evaluation: Evaluation,
    found: ByClass,
    metric: str,
    values: Floats,
    classes: NDArray[np.int64],
    asked: Asked,
    interval: Interval | None,
    subset: str = "",
) -> Record:
    value, chance = (round(float(column.mean()), DIGITS) for column in (values, found.chance[classes]))
    columns = {} if found.ties is None else {"half": value, "ties": int(found.ties[classes].sum())}
    return task.record(evaluation, metric, value, chance, asked, interval, subset, **columns)


def _intervals(
    task: Task, evaluation: Evaluation, found: ByClass, chosen: NDArray[np.int64], values: Floats, asked: Asked
) -> tuple[Interval | None, list[Interval | None]]:
    """Of the mean and of each class, all from the same resamples of units."""
    if not evaluation.bootstrap:
        return None, [None] * len(chosen)
    rng = evaluation.generator(task.kind, task.reader.name, found.metric)
    units = np.unique(asked.units, return_inverse=True)[1]
    samples = bootstrap(lambda weights: found.statistic(weights)[chosen], len(asked), evaluation.bootstrap, rng, units)
    present = ~np.isnan(samples)
    some = present.any(axis=1)
    means = np.where(present, samples, 0.0).sum(axis=1)[some] / present.sum(axis=1)[some]
    count = int(units.max()) + 1
    own = [_interval(found, value, column[~np.isnan(column)], count) for value, column in zip(values, samples.T, strict=True)]
    return _interval(found, float(values.mean()), means, count), own


def _interval(found: ByClass, value: float, samples: Floats, units: int) -> Interval | None:
    if np.isnan(value) or not len(samples):
        return None
    return percentile_interval(samples) if found.signed and value < 1 else share_interval(float(value), samples, units)
