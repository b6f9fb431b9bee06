"""Intersection over union, from counts of pixels.

Dimensions: C classes, n images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.records import Record, Results
from concord.benchmarks.statistics import Interval, bootstrap, share_interval
from concord.benchmarks.task import Asked, Task
from concord.items import IGNORED
from concord.types import Pair

Counts = NDArray[np.int64]
"""By class, the pixels that are it and were taken for it, that were taken for it, and that are it: [..., 3, C]."""


@dataclass(frozen=True)
class Segmented:
    """An image whose pixels were labelled.

    Attributes:
        pair: the example, without its picture.
        counts: [3, C].
        tied: whether classes tie in any pixel that counts.
        checksum: of key, picture and mask.
    """

    pair: Pair
    counts: Counts
    tied: bool
    checksum: str


def confusion_of(gold: NDArray[np.uint8], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """How many pixels of each class were taken for each class, [C, C + 1]; the last column counts those taken for none.

    Args:
        gold: [H, W], classes and `IGNORED`.
        predicted: [H, W], classes and -1 for none.
        classes: C.
    """
    counted = gold != IGNORED
    pairs = gold[counted].astype(np.int64) * (classes + 1) + predicted[counted] % (classes + 1)
    return np.bincount(pairs, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def counts_of(confusion: NDArray[np.int64]) -> Counts:
    """[3, C] of a confusion matrix [C, C + 1]."""
    return np.stack([confusion.diagonal(), confusion.sum(axis=0)[:-1], confusion.sum(axis=1)])


def class_iou(counts: NDArray) -> NDArray[np.float64]:
    """By class, pixels in both over pixels in either, [..., C]; nan for a class that does not occur."""
    both, taken, gold = np.moveaxis(np.asarray(counts, dtype=np.float64), -2, 0)
    return np.divide(both, taken + gold - both, out=np.full_like(both, np.nan), where=gold > 0)


def mean_iou(counts: NDArray) -> float:
    """The mean over the classes that occur; nan where none does."""
    return float(np.nanmean(class_iou(counts))) if counts[2].any() else np.nan


def pixel_accuracy(counts: NDArray) -> float:
    """The share of pixels that were taken for what they are; nan where there is none."""
    return float(counts[0].sum() / counts[2].sum()) if counts[2].any() else np.nan


def constant_answer(counts: Counts) -> Counts:
    """What always saying the most frequent class gives, [3, C]."""
    found = np.zeros_like(counts)
    commonest = counts[2].argmax()
    found[2] = counts[2]
    found[0, commonest], found[1, commonest] = counts[2, commonest], counts[2].sum()
    return found


def overlaps(task: Task, evaluation: Evaluation, images: Sequence[Segmented], names: Sequence[str] | None) -> Results:
    """The records of segmented images: means, and those of each class that occurs where the classes have names."""
    pairs = [image.pair for image in images]
    checksum = blake2b("".join(image.checksum for image in images).encode(), digest_size=8).hexdigest()
    asked = Asked([pair.key for pair in pairs], task.units(pairs), checksum)
    counts = np.stack([image.counts for image in images])
    total = counts.sum(axis=0)
    guess, tied = constant_answer(total), sum(image.tied for image in images)
    values, chances = _statistics(total), _statistics(guess)
    chances[2:] = total[2] / total[2].sum()  # of each class what always saying it gives
    samples = _resampled(task, evaluation, counts, asked)

    def record(place: int, metric: str, subset: str = "") -> Record:
        value, chance = float(values[place]), float(chances[place])
        interval = None if samples is None else _interval(value, samples[:, place], len(np.unique(asked.units)))
        return task.record(evaluation, metric, value, chance, asked, interval, subset, ties=tied)

    records = [record(0, "miou"), record(1, "pixel_accuracy")]
    if names is not None:
        records += [record(2 + label, "iou", names[label]) for label in np.flatnonzero(total[2]).tolist()]
    return Results(records)


def _statistics(counts: NDArray) -> NDArray[np.float64]:
    """Mean overlap, pixel accuracy, and the overlap of each class, [2 + C]."""
    return np.array([mean_iou(counts), pixel_accuracy(counts), *class_iou(counts)])


def _resampled(task: Task, evaluation: Evaluation, counts: Counts, asked: Asked) -> NDArray[np.float64] | None:
    """The statistics of samples of images, [R, 2 + C]."""
    if not evaluation.bootstrap:
        return None
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    rng = evaluation.generator(task.kind, task.reader.name)
    units = np.unique(asked.units, return_inverse=True)[1]
    return bootstrap(lambda drawn: _statistics((drawn @ flat).reshape(counts.shape[1:])), len(counts), evaluation.bootstrap, rng, units)


def _interval(value: float, samples: NDArray[np.float64], units: int) -> Interval:
    """Of the samples in which the class, or any pixel that counts, occurs."""
    return share_interval(value, samples[~np.isnan(samples)], units)
