"""The numbers of a probe as records, with what a model without features would get.

Dimensions: N examples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks.classification.accuracies import mean_per_class, of_confusion, top
from concord.benchmarks.classification.by_class import ranking
from concord.benchmarks.classification.by_class import report as report_by_class
from concord.benchmarks.classification.ranked_classes import RankedClasses
from concord.benchmarks.classification.standings import standings
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.probes.seen import Array, Probe, Seen
from concord.benchmarks.records import Results, merge

Metric = Literal["top1", "top5", "mean_per_class", "quadratic_kappa", "map", "auroc"]


def report(
    task: Probe, evaluation: Evaluation, scores: Tensor, test: Seen, train: Array, metrics: Sequence[Metric], subset: str = ""
) -> Results:
    """Those of the metrics that suit the labels.

    Args:
        task, evaluation: for the records.
        scores: [N, C] of the test examples.
        test: these.
        train: the labels that were learned from.
        metrics: what to report.
        subset: of the records.
    """
    if test.labels.ndim == 2:
        return _under(_several(task, evaluation, scores, test, metrics), subset, {})
    found = standings(scores, torch.from_numpy(test.labels))
    parts = [top(task, evaluation, found, k, test.asked) for k in (1, 5) if f"top{k}" in metrics]
    if "mean_per_class" in metrics:
        parts.append(mean_per_class(task, evaluation, found, test.asked))
    if "quadratic_kappa" in metrics:
        parts.append(of_confusion(task, evaluation, "quadratic_kappa", found, test.asked))
    chance = {f"top{k}": top_by_chance(train, test.labels, found.classes, k) for k in (1, 5)}
    chance["mean_per_class"] = 1 / len(np.unique(test.labels))
    return _under(merge(parts), subset, chance)


def quality(scores: Tensor, labels: Array) -> float:
    """What settings are chosen by: accuracy, where ties share; or the mean average precision of several classes."""
    if labels.ndim == 1:
        return float(standings(scores, torch.from_numpy(labels)).expected().mean())
    precision = RankedClasses(scores.numpy(), labels).average_precision(np.ones(len(labels)))
    return float(precision[~np.isnan(precision)].mean()) if (~np.isnan(precision)).any() else 0.0


def top_by_chance(train: Array, test: Array, classes: int, k: int = 1) -> float:
    """The better of a random guess and of always naming the k classes that are most frequent in training; where several are as
    frequent, a random few of them."""
    counts = np.bincount(train, minlength=classes)
    least = np.sort(counts)[::-1][min(k, classes) - 1]
    above, level = counts > least, counts == least
    named = above + level * (min(k, classes) - above.sum()) / level.sum()
    return max(k / classes, float(named[test].mean()))


def _several(task: Probe, evaluation: Evaluation, scores: Tensor, test: Seen, metrics: Sequence[Metric]) -> Results:
    ranked = RankedClasses(scores.double().numpy(), test.labels)
    kinds: list[Literal["map", "auroc"]] = [metric for metric in ("map", "auroc") if metric in metrics]
    found = [ranking(metric, ranked) for metric in kinds]
    return merge([report_by_class(task, evaluation, own, task.class_names, test.labels, test.asked) for own in found])


def _under(results: Results, subset: str, chance: Mapping[str, float]) -> Results:
    """The same results in a subset of the task, and with another chance."""
    records = [
        replace(record, subset="/".join(filter(None, (subset, record.subset))), chance=chance.get(record.metric, record.chance))
        for record in results.records
    ]
    names = {old.name: new.name for old, new in zip(results.records, records, strict=True)}
    return replace(results, records=records, answers=[replace(answers, name=names[answers.name]) for answers in results.answers])
