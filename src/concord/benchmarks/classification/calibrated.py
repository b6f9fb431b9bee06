"""Calibration of a classification as records and pictures; see `concord.benchmarks.classification.calibration` for the mathematics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from concord.benchmarks import figures
from concord.benchmarks.classification.calibration import FITTED, Beliefs, Bins, adaptive_error, beliefs, fit_temperature, reliability
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Calibrated
from concord.benchmarks.records import Record, Results
from concord.benchmarks.statistics import Floats, bootstrap, mean_of, percentile_interval
from concord.benchmarks.task import Asked, Task


@dataclass(frozen=True)
class Classified:
    """A classification of N images.

    Attributes:
        scores: [N, C].
        labels: [N] int64.
        hits: [N] whether the right class alone is the best.
        asked: the images.
    """

    scores: Tensor
    labels: Tensor
    hits: NDArray[np.bool_]
    asked: Asked

    def take(self, rows: NDArray[np.int64]) -> Classified:
        """Some of the images."""
        chosen = torch.from_numpy(rows)
        return Classified(self.scores[chosen], self.labels[chosen], self.hits[rows], self.asked.take(rows.tolist()))


def calibration(task: Task, evaluation: Evaluation, found: Classified) -> Results:
    """Records `ece`, `adaptive_ece`, `nll`, `brier`; `temperature` fitted to half of the units and `ece_tempered` on the others.

    Models that were trained with sigmoids have `pairwise_ece` too: of the probability that each class has by itself. The
    errors have no interval, because resampling only ever adds to them. What ties is no hit.
    """
    scorer, prefix = evaluation.scorer, f"{task.kind}/{task.reader.name}"
    if not isinstance(scorer, Calibrated):
        return Results(skipped={f"{prefix}/calibration": "this model does not say how its scores become probabilities"})
    if not found.scores.isfinite().all():
        return Results(skipped={f"{prefix}/calibration": "this model gave scores that are not finite"})
    said = beliefs(found.scores, found.labels, scorer.logits, pairwise=scorer.pairwise)
    bins = reliability(said.confidence, found.hits)
    tempered, after = _tempered(task, evaluation, scorer, found)
    records = [
        task.record(evaluation, "ece", bins.error, None, found.asked),
        task.record(evaluation, "adaptive_ece", adaptive_error(said.confidence, found.hits), None, found.asked),
        *_scores(task, evaluation, said, found.asked),
        *tempered,
    ]
    drawn = {f"{prefix}/reliability": _picture(f"{task.reader.name}: reliability", bins)}
    if after is not None:
        drawn[f"{prefix}/reliability_tempered"] = _picture(f"{task.reader.name}: reliability after temperature", after)
    if said.pairs is not None:
        records.append(task.record(evaluation, "pairwise_ece", said.pairs.error, None, found.asked))
        drawn[f"{prefix}/reliability_pairs"] = _picture(f"{task.reader.name}: reliability of pairs", said.pairs)
    return Results(records, figures=drawn)


def _scores(task: Task, evaluation: Evaluation, said: Beliefs, asked: Asked) -> list[Record]:
    """Proper scores, means over the images."""
    records = []
    for metric, values in (("nll", said.nll), ("brier", said.brier)):
        interval = None
        if evaluation.bootstrap and np.isfinite(values).all():
            rng = evaluation.generator(task.kind, task.reader.name, metric)
            units = np.unique(asked.units, return_inverse=True)[1]
            interval = percentile_interval(_means(values, units, evaluation.bootstrap, rng))
        records.append(task.record(evaluation, metric, float(values.mean()), None, asked, interval))
    return records


def _means(values: Floats, units: NDArray[np.int64], resamples: int, rng: np.random.Generator) -> Floats:
    return bootstrap(mean_of(values), len(values), resamples, rng, units)[:, 0]


def _tempered(task: Task, evaluation: Evaluation, scorer: Calibrated, found: Classified) -> tuple[list[Record], Bins | None]:
    """One temperature, fitted to half of the units and judged on the others."""
    units = np.unique(found.asked.units)
    if len(units) < 2:
        return [], None
    rng = evaluation.generator(task.kind, task.reader.name, "temperature")
    fitting = np.isin(found.asked.units, rng.permutation(units)[: len(units) // 2])
    fit, rest = found.take(rng.permutation(np.flatnonzero(fitting))[:FITTED]), found.take(np.flatnonzero(~fitting))
    temperature = fit_temperature(fit.scores, fit.labels, scorer.logits)
    bins = reliability(beliefs(rest.scores, rest.labels, scorer.logits, temperature).confidence, rest.hits)
    return [
        task.record(evaluation, "temperature", temperature, None, fit.asked),
        task.record(evaluation, "ece_tempered", bins.error, None, rest.asked),
    ], bins


def _picture(title: str, bins: Bins) -> figures.Figure:
    counts = bins.counts.astype(np.int64).tolist()
    return figures.reliability(title, bins.edges.tolist(), bins.confidence.tolist(), bins.accuracy.tolist(), counts)
