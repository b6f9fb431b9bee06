"""Numbers about a classification as records, for tasks of any kind that have a score for each class.

Dimensions: N images, C classes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.classification.decisions import (
    class_mean_samples,
    f1_of,
    kappa_of,
    macro_f1,
    macro_f1_by_chance,
    matthews,
    matthews_of,
    quadratic_kappa,
)
from concord.benchmarks.classification.ranked_classes import RankedClasses
from concord.benchmarks.classification.standings import Standings
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.records import Answers, Results
from concord.benchmarks.statistics import Floats, Interval, Statistic, bootstrap, class_mean_of, percentile_interval, share_interval
from concord.benchmarks.task import Asked, Task


def top(task: Task, evaluation: Evaluation, found: Standings, k: int, asked: Asked, subset: str = "") -> Results:
    """Top-k accuracy, `topK`; nothing where there are no more than k classes."""
    if k >= found.classes:
        return Results()
    half = float(found.expected(k).mean())
    return task.share(evaluation, f"top{k}", found.hits(k), k / found.classes, asked, subset, half=half, ties=found.ties)


def mean_per_class(task: Task, evaluation: Evaluation, found: Standings, asked: Asked) -> Results:
    """`mean_per_class`, over the classes that occur; the interval draws within each class, or whole units where they are named.

    Its answers are the hits, each times the weight that its class gives it, so that their mean is the value.
    """
    hits, everyone = found.hits(), np.ones(len(asked))
    statistic = class_mean_of(hits, found.labels)
    value, half = (float(class_mean_of(values, found.labels)(everyone)[0]) for values in (hits, found.expected()))
    interval = None
    if evaluation.bootstrap:
        rng = evaluation.generator(task.kind, task.reader.name, "mean_per_class")
        if task.unit is None:
            samples = class_mean_samples(hits, found.labels, evaluation.bootstrap, rng)
        else:
            samples = bootstrap(statistic, len(asked), evaluation.bootstrap, rng, asked.units)[:, 0]
        interval = share_interval(value, samples, len(np.unique(asked.units)))
    record = task.record(evaluation, "mean_per_class", value, 1 / found.classes, asked, interval, half=half, ties=found.ties)
    counts = np.bincount(found.labels)
    weighted = hits * len(hits) / (np.count_nonzero(counts) * counts[found.labels])
    return Results([record], answers=[Answers(record.name, asked.keys, asked.units, weighted)])


def of_confusion(
    task: Task, evaluation: Evaluation, metric: Literal["macro_f1", "mcc", "quadratic_kappa"], found: Standings, asked: Asked
) -> Results:
    """`macro_f1`, `mcc` or `quadratic_kappa`; images whose best classes tie are taken for none, or for the farthest grade."""
    classes, ties = found.classes, int((found.chosen < 0).sum())
    if metric == "macro_f1":
        statistic, chance = f1_of(found.labels, found.chosen, classes), macro_f1_by_chance(found.labels, classes)
        half = macro_f1(found.shared)
    elif metric == "mcc":
        statistic, chance, half = matthews_of(found.labels, found.chosen, classes), 0.0, matthews(found.shared)
    else:
        statistic, chance, half = kappa_of(found.labels, found.chosen, classes), 0.0, quadratic_kappa(found.shared)
    value = float(statistic(np.ones(len(asked)))[0])
    interval = _resampled(task, evaluation, metric, statistic, value, asked)
    return Results([task.record(evaluation, metric, value, chance, asked, interval, half=half, ties=ties)])


def auroc(task: Task, evaluation: Evaluation, scores: Floats, labels: NDArray[np.int64], asked: Asked) -> Results:
    """`auroc` of two classes: the second against the first, by the difference of their scores [N, 2]; a tie counts half."""
    largest = float(np.abs(scores).max())
    ranked = RankedClasses(scores[:, 1:] - scores[:, :1], labels[:, None].astype(np.float64), largest)
    if len(np.unique(labels)) < 2:
        return Results(skipped={f"{task.kind}/{task.reader.name}/auroc": "all examples are of one class"})
    value = float(ranked.auroc(np.ones(len(asked)))[0])
    interval = _resampled(task, evaluation, "auroc", ranked.auroc, value, asked)
    return Results([task.record(evaluation, "auroc", value, 0.5, asked, interval, half=value, ties=int(ranked.ties[0]))])


def _resampled(task: Task, evaluation: Evaluation, metric: str, statistic: Statistic, value: float, asked: Asked) -> Interval | None:
    if not evaluation.bootstrap or np.isnan(value):
        return None
    rng = evaluation.generator(task.kind, task.reader.name, metric)
    units = np.unique(asked.units, return_inverse=True)[1]
    samples = bootstrap(statistic, len(asked), evaluation.bootstrap, rng, units)[:, 0]
    samples = samples[~np.isnan(samples)]  # a sample of one class has no AUROC
    if metric in ("mcc", "quadratic_kappa") and value < 1:
        return percentile_interval(samples)
    return share_interval(value, samples, int(units.max()) + 1)
