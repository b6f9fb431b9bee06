"""Numbers about the same questions, resampled together: what a search was worth, as records.

Dimensions: n questions, M measures, U units, G groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.records import Answers, Results
from concord.benchmarks.retrieval.places import (
    Floats,
    Places,
    average_precision_by_chance,
    precision_by_chance,
    reciprocal_by_chance,
)
from concord.benchmarks.statistics import (
    Interval,
    Statistic,
    bootstrap,
    mean_of,
    median_of,
    median_rank_by_chance,
    percentile_interval,
    recall_by_chance,
    share_interval,
)
from concord.benchmarks.task import Asked, Task


@dataclass(frozen=True)
class Measure:
    """One metric of n questions.

    Attributes:
        metric: its name.
        values: [n] what each question got.
        chance: what guessing would get in the whole.
        half: [n] what each would get if those that tie were put in a random order; None where this was not worked out.
        ties: how many questions had a tie with their best right answer.
        middle: whether the median counts, instead of the mean of shares in [0, 1].
    """

    metric: str
    values: Floats
    chance: float | None
    half: Floats | None = None
    ties: int | None = None
    middle: bool = False

    def statistic(self, values: Floats) -> Statistic:
        """What is made of values [n]: their median or their mean, [1]."""
        return median_of(values) if self.middle else mean_of(values)


def recalls(found: Places, cuts: Sequence[int], name: str = "r") -> list[Measure]:
    """Recall at each cut: whether any right candidate is among so many."""
    return [Measure(f"{name}{k}", found.hits(k), found.by_chance(_recall_at(k)), found.fair_hits(k), found.ties) for k in cuts]


def first_places(found: Places) -> list[Measure]:
    """Median rank and mean reciprocal rank of the best right candidate."""
    pools = set(found.pool.tolist())
    middle = median_rank_by_chance(pools.pop(), found.matches.tolist()) if len(pools) == 1 else None
    return [
        Measure("median_rank", found.first.astype(np.float64), middle, found.fair_first(), found.ties, middle=True),
        Measure("mrr", found.reciprocal(), found.by_chance(reciprocal_by_chance), found.fair_reciprocal(), found.ties),
    ]


def all_places(found: Places) -> list[Measure]:
    """mAP@R and R-precision, which look at all right candidates."""
    return [
        Measure("map_r", found.average_precision(), found.by_chance(average_precision_by_chance), ties=found.ties),
        Measure("r_precision", found.precision(), found.by_chance(precision_by_chance), ties=found.ties),
    ]


def precisions(found: Places, depths: Sequence[int]) -> list[Measure]:
    """The precision at some depths."""
    return [
        Measure(f"precision{depth}", found.precision(depth), found.by_chance(partial(precision_by_chance, depth=depth)), ties=found.ties)
        for depth in depths
    ]


def average_precisions(found: Places, depths: Sequence[int]) -> list[Measure]:
    """mAP at some depths."""
    return [
        Measure(
            f"map{depth}",
            found.average_precision(depth),
            found.by_chance(partial(average_precision_by_chance, depth=depth)),
            ties=found.ties,
        )
        for depth in depths
    ]


def _recall_at(k: int) -> Callable[[int, int], float]:
    return lambda pool, right: recall_by_chance(pool, [right], k)


def report(task: Task, evaluation: Evaluation, measures: Sequence[Measure], asked: Asked, subset: str) -> Results:
    """A record of each measure, with an interval from the same resamples, and the answers behind the means."""
    samples = _resampled(task, evaluation, measures, asked, subset)
    units, everyone = len(np.unique(asked.units)), np.ones(len(asked))
    records, answers = [], []
    for place, measure in enumerate(measures):
        value = float(measure.statistic(measure.values)(everyone)[0])
        half = None if measure.half is None else float(measure.statistic(measure.half)(everyone)[0])
        interval = None
        if samples is not None:
            drawn = samples[:, place]
            interval = percentile_interval(drawn) if measure.middle else share_interval(value, drawn, units)
        columns = {"half": half, "ties": measure.ties}
        record = task.record(evaluation, measure.metric, value, measure.chance, asked, interval, subset, **columns)
        records.append(record)
        if not measure.middle:
            answers.append(Answers(record.name, asked.keys, asked.units, measure.values))
    return Results(records, answers=answers)


def _resampled(task: Task, evaluation: Evaluation, measures: Sequence[Measure], asked: Asked, subset: str) -> Floats | None:
    """The measures of resamples, [R, M]."""
    if not evaluation.bootstrap:
        return None
    statistics = [measure.statistic(measure.values) for measure in measures]

    def together(weights: Floats) -> Floats:
        return np.concatenate([statistic(weights) for statistic in statistics])

    rng = evaluation.generator(task.kind, task.reader.name, subset)
    return bootstrap(together, len(asked), evaluation.bootstrap, rng, np.unique(asked.units, return_inverse=True)[1])


Group = tuple[Asked, Sequence[Measure]]
Combine = Callable[[Floats], Mapping[str, float]]


def report_means(task: Task, evaluation: Evaluation, groups: Sequence[Group], subset: str, combine: Combine | None = None) -> Results:
    """Records of means over groups (languages, folds, directions) of the mean in each. Units are drawn with all that they have.

    Args:
        task, evaluation: for the records.
        groups: their questions and measures; the same measures in each, all with `half`.
        subset: of the records.
        combine: from means [M] to the numbers that are reported, by metric; by default each under the name of its measure.
    """
    names = [measure.metric for measure in groups[0][1]]
    combine = combine or (lambda means: dict(zip(names, means.tolist(), strict=True)))
    units = np.concatenate([asked.units for asked, _ in groups])
    asked = Asked([key for own, _ in groups for key in own.keys], units, groups[0][0].data)
    numbered = np.unique(units, return_inverse=True)[1]
    group = np.arange(len(groups)).repeat([len(own) for own, _ in groups])
    strict = group_mean_of(np.concatenate([_table(own, "values") for _, own in groups]), numbered, group)
    fair = group_mean_of(np.concatenate([_table(own, "half") for _, own in groups]), numbered, group)
    everyone = np.ones(int(numbered.max()) + 1)
    value, half = combine(strict(everyone)), combine(fair(everyone))
    chance = combine(np.array([[measure.chance for measure in own] for _, own in groups], dtype=np.float64).mean(axis=0))
    intervals: Mapping[str, Interval | None] = dict.fromkeys(value)
    if evaluation.bootstrap:
        rng = evaluation.generator(task.kind, task.reader.name, subset, "means")
        samples = [combine(drawn) for drawn in bootstrap(strict, len(everyone), evaluation.bootstrap, rng)]
        drawn = {metric: np.array([sample[metric] for sample in samples]) for metric in value}
        intervals = {metric: share_interval(value[metric], drawn[metric], len(everyone)) for metric in value}
    ties = sum(own[0].ties or 0 for _, own in groups)
    return Results(
        [
            task.record(evaluation, metric, value[metric], chance[metric], asked, intervals[metric], subset, half=half[metric], ties=ties)
            for metric in value
        ]
    )


def _table(measures: Sequence[Measure], column: Literal["values", "half"]) -> Floats:
    """One column of measures, [n, M]."""
    return np.stack([getattr(measure, column) for measure in measures], axis=1)


def group_mean_of(values: Floats, units: np.ndarray, groups: np.ndarray) -> Statistic:
    """The mean over groups of the mean in each, of columns of values [n, M]; from weights of the units [U], not of the questions.

    Groups of which a sample holds nothing are left out.
    """
    shape = (int(units.max()) + 1, int(groups.max()) + 1)
    counts = np.zeros(shape)
    np.add.at(counts, (units, groups), 1.0)
    sums = np.zeros((values.shape[1], *shape))
    for column, total in zip(values.T, sums, strict=True):
        np.add.at(total, (units, groups), column)

    def statistic(weights: Floats) -> Floats:
        present = (size := weights @ counts) > 0
        return ((weights @ sums)[:, present] / size[present]).mean(axis=1)

    return statistic
