"""How even a model is: its accuracy group by group, the worst of them, and the gap.

Dimensions: n examples, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.classification.standings import Standings
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.records import Results, merge
from concord.benchmarks.statistics import Floats, Statistic, bootstrap, percentile_interval, share_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import ConfigError
from concord.types import Pair

MOST_GROUPS = 200


def groups_of(pairs: Sequence[Pair], key: str, dataset: str) -> list[str | None]:
    """By example the group that its metadata name; None where they name none.

    Raises:
        ConfigError: where no example names one, or too many different ones are named for a record each.
    """
    named = [None if (value := pair.metadata.get(key)) is None else str(value) for pair in pairs]
    different = {name for name in named if name is not None}
    if not different:
        raise ConfigError(f"group: no example of {dataset} has {key} in its metadata")
    if len(different) > MOST_GROUPS:
        raise ConfigError(f"group: {key} has {len(different)} different values in {dataset}, at most {MOST_GROUPS} are allowed")
    return named


def worst_group(
    task: Task, evaluation: Evaluation, found: Standings, k: int, asked: Asked, groups: Sequence[str | None], least: int
) -> Results:
    """Records of top-k accuracy in each group, of the worst one, and of the gap between the best and the worst.

    The minimum of several noisy shares lies below the least true one, and so does its interval: compare it with the
    groups' own. The interval draws within each group, or whole units.

    Args:
        task, evaluation: for the records.
        found: how the right class of each image stands.
        k: how many of the best classes are looked at.
        asked: the images.
        groups: [n] their groups; those without one do not count.
        least: how many images a group must have to be the worst or the best.
    """
    names = sorted({group for group in groups if group is not None})
    members = {name: np.array([row for row, group in enumerate(groups) if group == name]) for name in names}
    parts = [_group(task, evaluation, found.take(rows), k, asked.take(rows.tolist()), name) for name, rows in members.items()]
    large = [rows for rows in members.values() if len(rows) >= least]
    if large:
        rows, place = np.concatenate(large), np.repeat(np.arange(len(large)), [len(rows) for rows in large])
        return merge([*parts, _extremes(task, evaluation, found.take(rows), k, asked.take(rows.tolist()), place)])
    reason = f"no group has {least} examples; set min_group to at most {max(map(len, members.values()))}"
    return merge([*parts, Results(skipped={f"{task.kind}/{task.reader.name}/worst_group": reason})])


def _group(task: Task, evaluation: Evaluation, found: Standings, k: int, asked: Asked, name: str) -> Results:
    half = float(found.expected(k).mean())
    return task.share(evaluation, f"top{k}", found.hits(k), k / found.classes, asked, name, half=half, ties=found.ties)


def _extremes(task: Task, evaluation: Evaluation, found: Standings, k: int, asked: Asked, place: NDArray[np.int64]) -> Results:
    statistic, everyone = _spread_of(found.hits(k), place), np.ones(len(place))
    (worst, gap), half = statistic(everyone), _spread_of(found.expected(k), place)(everyone)
    low, between = None, None
    if evaluation.bootstrap:
        units = np.unique(asked.units, return_inverse=True)[1]
        drawn = {"strata": place} if len(np.unique(units)) == len(units) else {"units": units}
        rng = evaluation.generator(task.kind, task.reader.name, "worst_group")
        samples = bootstrap(statistic, len(place), evaluation.bootstrap, rng, **drawn)
        low = share_interval(float(worst), samples[:, 0], int(np.bincount(place).min()))
        between = percentile_interval(samples[:, 1])
    chance = k / found.classes
    records = [
        task.record(evaluation, "worst_group", float(worst), chance, asked, low, half=float(half[0]), ties=found.ties),
        task.record(evaluation, "group_gap", float(gap), None, asked, between, half=float(half[1]), ties=found.ties),
    ]
    return Results(records)


def _spread_of(values: NDArray, place: NDArray[np.int64]) -> Statistic:
    """The least mean of a group and its distance to the greatest, [2]; over the groups in the sample."""
    array = values.astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        counts = np.bincount(place, weights)
        present = counts > 0
        means = np.bincount(place, weights * array)[present] / counts[present]
        return np.array([means.min(), means.max() - means.min()])

    return statistic
