"""Numbers that are made of the numbers of several tasks: means over data sets, drops and robustness under shift."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.records import Answers, Record, Results
from concord.benchmarks.statistics import Floats, Interval, bootstrap, mean_of, share_interval
from concord.types import Paper

KIND = "summary"


class Uncomputable(Exception):
    """A summary that its inputs do not allow; the message says why."""


class Summary(ABC):
    """A number made of others. Where one of them is missing, it is left out and says so.

    A summary may name another one that stands before it in the bench, `summary/NAME/METRIC`.

    Args:
        needs: full names of the records that it is made of, such as `zero_shot/cifar10/top1`; each once.
    """

    def __init__(self, needs: Sequence[str]) -> None:
        if len(set(needs)) != len(needs):
            raise ValueError(f"each record must be named once, got {', '.join(needs)}")
        self.needs = tuple(needs)

    def run(self, name: str, evaluation: Evaluation, found: Results) -> Results:
        """The records of this summary under a name of its own, from what was found so far."""
        records = {record.name: record for record in found.records}
        missing = [need for need in self.needs if need not in records]
        if missing:
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            return Results(skipped={f"{KIND}/{name}": f"it is made of {missing[0]}{others}, which was not measured"})
        try:
            inputs = [records[need] for need in self.needs]
            return Results(self._records(name, evaluation, inputs, {answers.name: answers for answers in found.answers}))
        except Uncomputable as error:
            return Results(skipped={f"{KIND}/{name}": str(error)})

    @abstractmethod
    def _records(self, name: str, evaluation: Evaluation, inputs: Sequence[Record], answers: Mapping[str, Answers]) -> list[Record]:
        """The records, from those that are needed in their order and what was answered, where that is known.

        Raises:
            Uncomputable: where the values do not allow it.
        """

    def _record(self, name: str, evaluation: Evaluation, metric: str, value: float, inputs: Sequence[Record], **columns: Any) -> Record:
        data, protocol = (_digest([getattr(record, column) for record in inputs]) for column in ("data", "protocol"))
        known = {"chance": None, "low": None, "high": None, "data": data, "protocol": protocol, "seed": evaluation.seed, **columns}
        return Record(KIND, name, metric, value, n=len(inputs), **known)


class Mean(Summary):
    """Plain mean over records: `summary/NAME/mean`, and `mean_without_near_chance` over those that say something.

    A dozen tasks of the usual collections are near chance for every contrastive model (dSprites, SmallNORB, DMLab and the
    like): they add noise to a mean. Which ones are left out is said beforehand and not read off the results.

    The interval resamples each record's examples independently; there is none where that would be wrong, because two records
    are about the same data, or where one is no mean over examples.

    Args:
        records: their full names; a mean over tasks usually takes the main metric of each.
        near_chance: those of them that the second mean leaves out.
    """

    def __init__(self, records: list[str], near_chance: tuple[str, ...] = ()) -> None:
        super().__init__(records)
        if not records:
            raise ValueError("records must name at least one record, got none")
        unknown = [name for name in near_chance if name not in records]
        if unknown:
            raise ValueError(f"near_chance must be among the records, got {unknown[0]}")
        if len(near_chance) == len(records):
            raise ValueError("near_chance must leave at least one record")
        self.near_chance = frozenset(near_chance)

    def _records(self, name: str, evaluation: Evaluation, inputs: Sequence[Record], answers: Mapping[str, Answers]) -> list[Record]:
        found = [self._mean(name, evaluation, "mean", inputs, answers)]
        if self.near_chance:
            telling = [record for record in inputs if record.name not in self.near_chance]
            found.append(self._mean(name, evaluation, "mean_without_near_chance", telling, answers))
        return found

    def _mean(self, name: str, evaluation: Evaluation, metric: str, inputs: Sequence[Record], answers: Mapping[str, Answers]) -> Record:
        value = float(np.mean([record.value for record in inputs]))
        interval = self._interval(name, evaluation, metric, value, inputs, answers)
        low, high = (None, None) if interval is None else interval
        half = [record.value if record.half is None else record.half for record in inputs]
        columns = {
            "chance": _mean_of([record.chance for record in inputs]),
            "collapsed": _mean_of([record.collapsed for record in inputs]),
            "half": None if all(record.half is None for record in inputs) else _mean_of(half),
        }
        return self._record(name, evaluation, metric, value, inputs, low=low, high=high, **columns)

    def _interval(
        self, name: str, evaluation: Evaluation, metric: str, value: float, inputs: Sequence[Record], answers: Mapping[str, Answers]
    ) -> Interval | None:
        data = [record.data for record in inputs]
        sound = len(set(data)) == len(data) and "" not in data and all(record.name in answers for record in inputs)
        if not evaluation.bootstrap or not sound or math.isnan(value):
            return None
        rng = evaluation.generator(KIND, name, metric)
        samples = np.mean([_samples(answers[record.name], evaluation.bootstrap, rng) for record in inputs], axis=0)
        return share_interval(value, samples, min(record.units or record.n for record in inputs))


class RelativeDrop(Summary):
    """How much of the accuracy is lost under a shift: (reference - shifted) / reference, `summary/NAME/relative_drop`.

    Both must be about the same classes: ImageNet-A and -R have 200 of the 1000, for which `ZeroShotClassification` on ImageNet
    has the option `subsets`.

    Args:
        reference: full name of the record without the shift.
        shifted: that of the record with it.
    """

    def __init__(self, reference: str, shifted: str) -> None:
        super().__init__([reference, shifted])

    def _records(self, name: str, evaluation: Evaluation, inputs: Sequence[Record], answers: Mapping[str, Answers]) -> list[Record]:
        reference, shifted = inputs
        if not reference.value > 0:
            raise Uncomputable(f"{reference.name} is {reference.value:g}: nothing can be lost of it")
        return [self._record(name, evaluation, "relative_drop", (reference.value - shifted.value) / reference.value, inputs)]


class EffectiveRobustness(Summary):
    """Accuracy under a shift beyond what models of the same accuracy without it have (Taori et al. 2020).

    The expectation is a straight line through reference models in logits, ln p / (1 - p). They should be trained on the
    reference data alone: a line through models of your own kind hides what is asked. Against ImageNet alone, models trained on
    web data look more robust than they are (Shi et al. 2023). Without reference points it is not computed.

    Record: `summary/NAME/effective_robustness`.

    Args:
        reference: full name of the record without the shift.
        shifted: that of the record with it.
        points: of each reference model the two accuracies, as fractions.
    """

    paper: ClassVar[Paper] = Paper(
        "Measuring Robustness to Natural Distribution Shifts in Image Classification",
        "Taori et al.",
        2020,
        "https://arxiv.org/abs/2007.00644",
    )

    def __init__(self, reference: str, shifted: str, points: list[list[float]] | None = None) -> None:
        super().__init__([reference, shifted])
        for point in points or []:
            if len(point) != 2 or not all(0 < share < 1 for share in point):
                raise ValueError(f"points must be pairs of accuracies between 0 and 1, got {point}")
        if points is not None and len({point[0] for point in points}) < 2:
            raise ValueError(f"points must hold at least 2 reference models of different accuracy, got {points}")
        self.points = points

    def _records(self, name: str, evaluation: Evaluation, inputs: Sequence[Record], answers: Mapping[str, Answers]) -> list[Record]:
        reference, shifted = inputs
        if self.points is None:
            raise Uncomputable("not computed: it needs points, the accuracies of at least 2 reference models")
        if not 0 < reference.value < 1:
            raise Uncomputable(f"{reference.name} is {reference.value:g}, which has no logit")
        known, under_shift = (_logit(column) for column in np.array(self.points).T)
        slope, offset = np.polyfit(known, under_shift, 1)
        expected = 1 / (1 + math.exp(-(slope * float(_logit(np.array(reference.value))) + offset)))
        return [self._record(name, evaluation, "effective_robustness", shifted.value - expected, inputs)]


def _logit(share: Floats) -> Floats:
    logits: Floats = np.log(share / (1 - share))
    return logits


def _mean_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _samples(answers: Answers, resamples: int, rng: np.random.Generator) -> Floats:
    """The mean of answers to samples of their units, [R]."""
    values, count = answers.values, len(answers.values)
    units = np.unique(answers.units, return_inverse=True)[1]
    if int(units.max()) + 1 == count and np.isin(values, (0.0, 1.0)).all():
        return rng.binomial(count, values.mean(), size=resamples) / count  # what drawing them one by one comes to
    return bootstrap(mean_of(values), count, resamples, rng, units)[:, 0]


def _digest(words: Sequence[str]) -> str:
    return blake2b("\0".join(words).encode(), digest_size=8).hexdigest()
