"""Openness: how a classification holds when classes are added to its vocabulary.

Dimensions: N images, C classes, G groups of classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from concord.benchmarks.classification.by_class import DIGITS
from concord.benchmarks.classification.labels import label_of
from concord.benchmarks.classification.prompts import wording_of
from concord.benchmarks.classification.standings import group_counts
from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Answers, Results, merge
from concord.benchmarks.statistics import Floats, bootstrap, mean_of, percentile_interval, share_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import ConfigError, DataError
from concord.types import Paper

CLOSED, EXTENDED, STABLE = 0, 1, 2
METRICS = ("acc_c", "acc_e", "acc_s")


@dataclass(frozen=True)
class Compared:
    """How the right class of each image stands against each group.

    Attributes:
        better, tied: [N, G] wrong classes of a group that score higher than the right one, and that tie with it.
        own: [N] the group of the right class.
        labels: [N] the right classes.
        sizes: [G] how many classes a group has.
    """

    better: Floats
    tied: Floats
    own: NDArray[np.int64]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]


class Openness(Task):
    """Accuracy in a closed vocabulary, and while it grows (Ren et al. 2023).

    The classes come in groups. Acc-C: each group's images among its own classes. Acc-E (extensibility): to the classes and
    images of a target group those of the others are added one group at a time, in random order; the accuracy on all images so
    far, averaged over the steps, the first without additions included. Acc-S (stability): the same growing vocabularies, but
    only the target's images, mean per class, over the steps with additions. Both are averaged over orders and targets.
    Each image counts in these means by how often it is asked, so that every number is a weighted mean of hits; ties are misses.

    Records, `openness/DATASET/METRIC`: acc_c, acc_e, acc_s; drop_e and drop_s, by how much the latter two fall short of acc_c.

    Args:
        reader: pairs with an integer `label` in their metadata.
        groups: by group the names of its classes; None takes the reader's own `groups`. Every class belongs to one.
        trials: random orders per target group.
        templates, class_names, descriptions, synonyms: see `ZeroShotClassification`.
        limit, unit: see `Task`.
    """

    kind = "openness"
    reader: Reader
    paper: ClassVar[Paper] = Paper("Delving into the Openness of CLIP", "Ren et al.", 2023, "https://arxiv.org/abs/2206.01986")

    def __init__(
        self,
        reader: Reader,
        groups: dict[str, list[str]] | None = None,
        trials: int = 3,
        templates: list[str] | str | None = None,
        class_names: list[str] | str | None = None,
        descriptions: dict[str, list[str]] | str | None = None,
        synonyms: str | None = None,
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        if trials < 1:
            raise ValueError(f"trials must be at least 1, got {trials}")
        groups = getattr(reader, "groups", None) if groups is None else groups
        if groups is None:
            raise ConfigError(f"groups must be given: {reader.name} has none of its own")
        self.wording = wording_of(reader, class_names, templates, descriptions, synonyms)
        self.group_of = _group_of(groups, self.wording.names)
        self.trials = trials

    @property
    def class_names(self) -> list[str]:
        """By label."""
        return list(self.wording.names)

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), **self.wording.settings(), "groups": self.group_of.tolist(), "trials": self.trials}

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader, self.limit)
        found = self._compared(evaluation, examples)
        asked = Asked([pair.key for pair in examples.pairs], self.units(examples.pairs), examples.checksum)
        outcome = grow(found, self.trials, evaluation.generator(self.kind, self.reader.name, "orders"))
        samples = None
        if evaluation.bootstrap:
            drawn = {"strata": found.labels} if self.unit is None else {"units": asked.units}
            rng = evaluation.generator(self.kind, self.reader.name, "bootstrap")
            samples = bootstrap(mean_of(outcome.hits), len(asked), evaluation.bootstrap, rng, **drawn)
        accuracies = [self._accuracy(evaluation, outcome, place, samples, asked) for place in range(len(METRICS))]
        drops = [self._drop(evaluation, outcome, place, samples, asked) for place in (EXTENDED, STABLE)]
        return merge([*accuracies, *drops])

    def _accuracy(self, evaluation: Evaluation, outcome: Outcome, place: int, samples: Floats | None, asked: Asked) -> Results:
        value, chance = outcome.mean(outcome.hits, place), round(float(outcome.chance[place]), DIGITS)
        interval = None if samples is None else share_interval(value, samples[:, place], len(np.unique(asked.units)))
        half, ties = outcome.mean(outcome.halves, place), int((outcome.halves != outcome.hits)[:, place].sum())
        record = self.record(evaluation, METRICS[place], value, chance, asked, interval, half=half, ties=ties)
        return Results([record], answers=[Answers(record.name, asked.keys, asked.units, outcome.hits[:, place])])

    def _drop(self, evaluation: Evaluation, outcome: Outcome, place: int, samples: Floats | None, asked: Asked) -> Results:
        value, half = (outcome.mean(column, CLOSED) - outcome.mean(column, place) for column in (outcome.hits, outcome.halves))
        interval = None if samples is None else percentile_interval(samples[:, CLOSED] - samples[:, place])
        return Results([self.record(evaluation, f"drop_{METRICS[place][-1]}", value, None, asked, interval, half=half)])

    def _compared(self, evaluation: Evaluation, examples: Examples) -> Compared:
        labels = np.array([label_of(examples, row, len(self.wording.names)) for row in range(len(examples))])
        scores = evaluation.class_scores(examples.images, self.wording.prompts())
        sizes = np.bincount(self.group_of)
        members = torch.from_numpy(np.eye(len(sizes))[self.group_of])
        better, tied = group_counts(scores, torch.from_numpy(labels), members)
        missing = np.flatnonzero(np.bincount(self.group_of[labels], minlength=len(sizes)) == 0)
        if len(missing):
            raise DataError(f"{self.reader.name}: no example is of a class of {len(missing)} of the groups; remove them or raise limit")
        return Compared(better, tied, self.group_of[labels], labels, sizes)


@dataclass(frozen=True)
class Outcome:
    """What each image adds to Acc-C, Acc-E and Acc-S, which are the means over the images.

    Attributes:
        hits: [N, 3], ties as misses.
        halves: [N, 3], the same if ties were broken by lot.
        chance: [3], what guessing gets.
    """

    hits: Floats
    halves: Floats
    chance: Floats

    def mean(self, column: Floats, place: int) -> float:
        """An accuracy, without the rounding errors of the weights."""
        return round(float(column[:, place].mean()), DIGITS)


def grow(found: Compared, trials: int, rng: np.random.Generator) -> Outcome:
    """Ask every group alone, and again while the others are added in random order, `trials` times."""
    groups = len(found.sizes)
    sums = np.zeros((len(found.own), 3)), np.zeros((len(found.own), 3)), np.zeros(3)
    for target in range(groups):
        others = np.setdiff1d(np.arange(groups), [target])
        own = np.array([target])
        _add(found, own, _everyone(found, own)[None] / groups, sums, CLOSED)
        stable = np.outer(np.arange(groups) > 0, _per_class(found, target))
        for _ in range(trials):
            order = np.append(own, rng.permutation(others))
            extended = np.stack([_everyone(found, order[: step + 1]) for step in range(groups)])
            _add(found, order, extended / (groups * groups * trials), sums, EXTENDED)
            _add(found, order, stable / ((groups - 1) * groups * trials), sums, STABLE)
    return Outcome(*sums)


def _add(found: Compared, order: NDArray[np.int64], weights: Floats, sums: tuple[Floats, Floats, Floats], metric: int) -> None:
    """Count every step of a growing vocabulary: `weights` [steps, N] says how much each image counts in each.

    Images of groups that have not been added yet weigh nothing.
    """
    hits, halves, chance = sums
    better, tied = np.cumsum(found.better[:, order], axis=1).T, np.cumsum(found.tied[:, order], axis=1).T
    count = len(found.own)
    hits[:, metric] += count * (weights * (better + tied == 0)).sum(axis=0)
    halves[:, metric] += count * (weights * (better == 0) / (1 + tied)).sum(axis=0)
    chance[metric] += (weights.sum(axis=1) / np.cumsum(found.sizes[order])).sum()


def _everyone(found: Compared, groups: NDArray[np.int64]) -> Floats:
    """How much each image weighs in a mean over the images of some groups, [N]."""
    inside = np.isin(found.own, groups)
    return inside / inside.sum()


def _per_class(found: Compared, target: int) -> Floats:
    """How much each image weighs in a mean over the classes of a group, those that occur, of the mean over their images, [N]."""
    inside = found.own == target
    counts = np.bincount(found.labels[inside], minlength=int(found.labels.max()) + 1)
    return np.where(inside, 1 / np.maximum(counts[found.labels], 1), 0.0) / np.count_nonzero(counts)


def _group_of(groups: Mapping[str, Sequence[str]], names: Sequence[str]) -> NDArray[np.int64]:
    """By class the number of its group, [C].

    Raises:
        ConfigError: for fewer than two groups, an unknown class, or one in no group or in several.
    """
    if len(groups) < 2:
        raise ConfigError(f"groups must hold at least 2 groups, got {len(groups)}")
    place: dict[str, int] = {}
    for number, (group, members) in enumerate(groups.items()):
        for name in members:
            if name not in names:
                raise ConfigError(f"groups: {group} names {name!r}, which is no class of this data set")
            if name in place:
                raise ConfigError(f"groups: class {name!r} is in more than one group")
            place[name] = number
        if not members:
            raise ConfigError(f"groups: {group} has no classes")
    lacking = [name for name in names if name not in place]
    if lacking:
        raise ConfigError(f"groups: class {lacking[0]!r} is in no group")
    return np.array([place[name] for name in names])
