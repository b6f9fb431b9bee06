"""Linear probes: how much of the classes a linear classifier reads off frozen features."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.probes.draws import fraction, held_out, strata_of
from concord.benchmarks.probes.logistic import Fitter, Solver
from concord.benchmarks.probes.report import Metric, quality, report
from concord.benchmarks.probes.seen import Look, Probe, Seen, digest
from concord.benchmarks.probes.sweep import best_c
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Results, merge
from concord.errors import ConfigError
from concord.types import Paper

log = logging.getLogger(__name__)

HELD_OUT = 0.2
"""Share of the training set on which C is chosen where there is no validation set."""

Precision = Literal["float64", "float32"]


class LinearProbe(Probe):
    """Logistic regression on frozen features, as in the CLIP paper (Radford et al. 2021, appendix A.3).

    How much the weights are held back, C, is chosen among 97 values on a validation set, or on a stratified fifth of the
    training set, then the classifier is fitted to both together, and asked once about the test set. With several classes at a
    time there is a classifier for each, and the mean average precision chooses one C for all. Features are taken as they are,
    neither normalised nor standardised.

    Records, `linear_probe/DATASET/METRIC`; with a share of the labels `linear_probe/DATASET/10_percent/METRIC`:
        top1, top5, mean_per_class: with one class per example. Chance of top-k is the better of k / C and of always naming the
            classes that are most frequent in training; of the mean per class it is one over the classes that occur in the test.
        quadratic_kappa: where the classes are grades in order, see `ZeroShotClassification`.
        map, auroc: with several classes, see `ZeroShotMultiLabel`; also by class.
        chosen_c: the C that was chosen.

    Args:
        train, reader, look: see `Probe`.
        validation: other data with the same classes, to choose C on.
        c: takes this value, and chooses none.
        fractions: shares of the training set to learn from, stratified by class (of several, by the rarest), a smaller one being
            part of a larger one, at least one unit of each class. With less than everything the validation set chooses only.
        solver: "sklearn", or "torch", which computes on the device of the model and finds the same.
        precision: of the computation.
        metrics: what to report, of which those that suit the labels are.
        limit, unit: see `Probe`. `limit` is of the test set.
    """

    kind = "linear_probe"
    paper: ClassVar[Paper] = Paper(
        "Learning Transferable Visual Models From Natural Language Supervision", "Radford et al.", 2021, "https://arxiv.org/abs/2103.00020"
    )

    def __init__(
        self,
        train: Reader,
        reader: Reader,
        validation: Reader | None = None,
        look: Look = "deepest",
        c: float | None = None,
        fractions: tuple[float, ...] = (1.0,),
        solver: Solver = "sklearn",
        precision: Precision = "float64",
        metrics: tuple[Metric, ...] = ("top1", "top5", "mean_per_class", "map", "auroc"),
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(train, reader, look, limit, unit)
        if c is not None and not c > 0:
            raise ValueError(f"c must be greater than 0 or null, got {c}")
        if not fractions or len(set(fractions)) < len(fractions) or not all(0 < share <= 1 for share in fractions):
            raise ValueError(f"fractions must be different numbers in (0, 1], at least one, got {list(fractions)}")
        if validation is not None:
            if c is not None:
                raise ConfigError("c and validation exclude each other: with a given c nothing is chosen; set one of them to null")
            if validation in (train, reader):
                raise ConfigError(f"validation must be other data than train and the test set {reader.name}")
            self.same_classes("validation", validation)
        self.validation = validation
        self.c = c
        self.fractions = tuple(fractions)
        self.solver: Solver = solver
        self.precision = precision
        self.metrics = tuple(metrics)

    def settings(self) -> dict[str, Any]:
        validation = None if self.validation is None else self.validation.name
        own = {"validation": validation, "c": self.c, "solver": self.solver, "precision": self.precision}
        return {**super().settings(), **own}

    def measure(self, evaluation: Evaluation) -> Results:
        train, test = self._see(evaluation, self.train), self._see(evaluation, self.reader, self.limit)
        if self.validation is not None:
            self.require_apart(evaluation, self.validation)
        validation = None if self.validation is None else self._see(evaluation, self.validation)
        if train.labels.shape[1:] != test.labels.shape[1:]:
            raise ConfigError(f"train: {self.train.name} and {self.reader.name} must both have one class per example, or both several")
        return merge([self._fraction(evaluation, share, train, validation, test) for share in self.fractions])

    def _see(self, evaluation: Evaluation, reader: Reader, limit: int | None = None) -> Seen:
        seen = self.see(evaluation, reader, limit)
        return replace(seen, features=seen.features.astype(self.precision))

    def _fraction(self, evaluation: Evaluation, share: float, train: Seen, validation: Seen | None, test: Seen) -> Results:
        subset = "" if share == 1 else f"{100 * share:g}_percent"
        rng = evaluation.generator(self.kind, self.reader.name, "fraction")
        own = train if share == 1 else train.take(fraction(strata_of(train.labels), train.asked.units, share, rng))
        fit_on, choose_on, everything = self._parts(evaluation, own, validation, share)
        c = self.c
        if c is None:
            if not len(choose_on):
                reason = "no class has two training examples, of which one could be held out; give validation or c"
                return Results(skipped={f"{self.kind}/{self.reader.name}/{subset}".rstrip("/"): reason})
            c = best_c(lambda values: self._tried(evaluation, values, fit_on, choose_on))
        head = self._fitter(evaluation).fit(everything.features, everything.labels, len(self.class_names), c)
        if not head.converged:
            log.warning("%s: the linear probe with C = %g was ended before it converged", self.reader.name, c)
        test = replace(test, asked=replace(test.asked, data=digest(test.asked.data, everything.asked.data, *everything.asked.keys)))
        found = report(self, evaluation, head.scores(test.features), test, everything.labels, self.metrics, subset)
        if self.c is not None:
            return found
        return merge([found, Results([self.record(evaluation, "chosen_c", c, None, test.asked, subset=subset)])])

    def _parts(self, evaluation: Evaluation, train: Seen, validation: Seen | None, share: float) -> tuple[Seen, Seen, Seen]:
        """What is fitted to while C is chosen, what it is chosen on, and what the last fit is to."""
        if validation is not None:
            return train, validation, train.joined(validation) if share == 1 else train
        rng = evaluation.generator(self.kind, self.reader.name, "held_out")
        rows, chosen = held_out(strata_of(train.labels), train.asked.units, HELD_OUT, rng)
        return train.take(rows), train.take(chosen), train

    def _tried(self, evaluation: Evaluation, values: Sequence[float], fit_on: Seen, choose_on: Seen) -> list[float]:
        """How good each C is; the values are shared out to the processes."""
        fitter = self._fitter(evaluation)

        def score(c: float) -> float:
            head = fitter.fit(fit_on.features, fit_on.labels, len(self.class_names), c)
            return quality(head.scores(choose_on.features), choose_on.labels)

        return evaluation.ranks.spread(values, score)

    def _fitter(self, evaluation: Evaluation) -> Fitter:
        return Fitter(self.solver, getattr(evaluation.scorer, "device", "cpu"))
