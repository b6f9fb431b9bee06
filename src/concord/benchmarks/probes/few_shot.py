"""Few-shot classification: what a linear classifier makes of very few examples per class.

Dimensions: N test images, C classes, S draws.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from concord.benchmarks import figures
from concord.benchmarks.classification.accuracies import top
from concord.benchmarks.classification.prompts import wording_of
from concord.benchmarks.classification.standings import standings
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.probes.draws import shots as draw_shots
from concord.benchmarks.probes.logistic import Fitter
from concord.benchmarks.probes.report import quality, top_by_chance
from concord.benchmarks.probes.seen import Array, Look, Probe, Seen, digest
from concord.benchmarks.probes.sweep import best_c
from concord.benchmarks.protocol import Calibrated, Reader
from concord.benchmarks.records import Answers, Results, merge
from concord.benchmarks.statistics import LEVEL, Interval
from concord.errors import DataError, IncompatibleError
from concord.types import Paper

log = logging.getLogger(__name__)

Start = Literal["zero", "zero_shot"]

MOST_SPARE = 4
"""Examples per class, beside as many as are learned from, on which C is chosen (CoOp)."""


@dataclass(frozen=True)
class Drawn:
    """What one draw came to.

    Attributes:
        hits: [N] whether the right class alone is the best.
        half: accuracy where ties share.
        ties: how many images have a wrong class that ties with the right one.
        chance: of the accuracy.
        data: checksum of what was learned from.
    """

    hits: Array
    half: float
    ties: int
    chance: float
    data: str


class FewShot(Probe):
    """A linear probe from 1, 2, 4, 8, 16 examples per class, several draws of each, beside zero-shot classification.

    The draws depend on the data set, the number of shots, the seed and the seed of the bench. C is chosen on further examples,
    min(shots, 4) per class as in CoOp (Zhou et al. 2022), which are not learned from. The fit is by PyTorch on the model's device.

    Records, `few_shot/DATASET/SHOTS_shots/`, and `.../SHOTS_shots_from_zero_shot/` for the classifier that starts there:
        top1: accuracy, the mean over draws; its 95% interval is Student's over the draws, not over images. Chance as in `LinearProbe`.
        top1_sd: standard deviation over draws.
    `few_shot/DATASET/0_shots/top1` is zero-shot accuracy on the same images.

    Args:
        train: what the examples are drawn from.
        reader, look: see `Probe`; one class per example.
        shots: examples per class. A class that has too few for both gives a fifth of them, at least one, to the choice of C.
        seeds: of the draws.
        starts: what the weights are held near to. "zero": a linear probe. "zero_shot": the zero-shot classifier, to whose scaled
            scores the probe's are added; for an embedding model that is a classifier that starts with its text embeddings.
        c: takes this value, and chooses none.
        templates: for zero-shot, see `ZeroShotClassification`.
        limit, unit: see `Probe`. `limit` is of the test set.
    """

    kind = "few_shot"
    paper: ClassVar[Paper] = Paper("Learning to Prompt for Vision-Language Models", "Zhou et al.", 2022, "https://arxiv.org/abs/2109.01134")

    def __init__(
        self,
        train: Reader,
        reader: Reader,
        shots: tuple[int, ...] = (1, 2, 4, 8, 16),
        seeds: tuple[int, ...] = (0, 1, 2),
        starts: tuple[Start, ...] = ("zero",),
        c: float | None = None,
        templates: list[str] | str | None = None,
        look: Look = "deepest",
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(train, reader, look, limit, unit)
        for name, values, least in (("shots", shots, 1), ("seeds", seeds, 0)):
            if not values or len(set(values)) < len(values) or min(values) < least:
                raise ValueError(f"{name} must be different numbers of at least {least}, at least one, got {list(values)}")
        if not starts:
            raise ValueError("starts must hold zero, zero_shot, or both")
        if c is not None and not c > 0:
            raise ValueError(f"c must be greater than 0 or null, got {c}")
        self.shots, self.seeds = tuple(sorted(shots)), tuple(seeds)
        self.starts: tuple[Start, ...] = tuple(starts)
        self.c = c
        self.wording = wording_of(reader, None, templates)

    @property
    def templates(self) -> tuple[str, ...]:
        """Sentences with `{}`."""
        return self.wording.templates

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), **self.wording.settings(), "seeds": self.seeds, "c": self.c}

    def measure(self, evaluation: Evaluation) -> Results:
        train, test = self.see_single(evaluation)
        self._warn_of_few(train)
        images = evaluation.examples(self.reader, self.limit).images
        scores = evaluation.class_scores(images, self.wording.prompts())
        found = standings(scores, torch.from_numpy(test.labels))
        zero_shot = top(self, evaluation, found, 1, test.asked, "0_shots")
        parts, lines = [zero_shot], {"zero-shot": [zero_shot.records[0].value] * len(self.shots)}
        for start in self.starts:
            offsets = self._offsets(evaluation, scores.double().numpy()) if start == "zero_shot" else None
            own = self._from(evaluation, start, train, test, offsets)
            parts += own
            lines["linear probe" if start == "zero" else "from zero-shot"] = [part.records[0].value for part in own]
        return merge([*parts, Results(figures=self._curve(evaluation, lines))])

    def _offsets(self, evaluation: Evaluation, test: Array) -> tuple[Array, Array]:
        """Zero-shot scores of training and test images, as the training of the model scaled them."""
        scorer = evaluation.scorer
        if not isinstance(scorer, Calibrated):
            raise IncompatibleError(f"{self.reader.name}: this model does not say how its scores are scaled; leave zero_shot out of starts")
        train = evaluation.class_scores(evaluation.examples(self.train).images, self.wording.prompts())
        return scorer.logits(train).double().numpy(), scorer.logits(torch.from_numpy(test)).numpy()

    def _from(self, evaluation: Evaluation, start: Start, train: Seen, test: Seen, offsets: tuple[Array, Array] | None) -> list[Results]:
        """By number of shots."""
        jobs = [(shots, seed) for shots in self.shots for seed in self.seeds]
        found = evaluation.ranks.spread(jobs, lambda job: self._draw(evaluation, *job, train, test, offsets))
        parts = []
        for place, shots in enumerate(self.shots):
            own = found[place * len(self.seeds) : (place + 1) * len(self.seeds)]
            parts.append(self._summary(evaluation, own, test, f"{shots}_shots" + ("_from_zero_shot" if start == "zero_shot" else "")))
        return parts

    def _draw(self, evaluation: Evaluation, shots: int, seed: int, train: Seen, test: Seen, offsets: tuple[Array, Array] | None) -> Drawn:
        rng = evaluation.generator(self.kind, self.reader.name, str(shots), str(seed))
        rows, spare = draw_shots(train.labels, shots, min(shots, MOST_SPARE) if self.c is None else 0, rng)
        if self.c is None and not len(spare):
            raise DataError(f"{self.train.name}: no class has two examples, of which one could serve to choose C; give c")
        fitter = Fitter("torch", getattr(evaluation.scorer, "device", "cpu"))
        features, classes = train.features.astype(np.float64), len(self.class_names)
        base = None if offsets is None else offsets[0]

        def scores(c: float, of: Array, added: Array | None) -> torch.Tensor:
            head = fitter.fit(features[rows], train.labels[rows], classes, c, None if base is None else base[rows])
            return head.scores(of) if added is None else head.scores(of) + torch.from_numpy(added)

        def tried(values: Sequence[float]) -> list[float]:
            added = None if base is None else base[spare]
            return [quality(scores(c, features[spare], added), train.labels[spare]) for c in values]

        c = best_c(tried) if self.c is None else self.c
        said = scores(c, test.features.astype(np.float64), None if offsets is None else offsets[1])
        found = standings(said, torch.from_numpy(test.labels))
        keys = digest(*(train.asked.keys[row] for row in [*rows, *spare]))
        chance = top_by_chance(train.labels[rows], test.labels, classes)
        return Drawn(found.hits(), float(found.expected().mean()), found.ties, chance, keys)

    def _summary(self, evaluation: Evaluation, drawn: Sequence[Drawn], test: Seen, subset: str) -> Results:
        asked = replace(test.asked, data=digest(test.asked.data, *(own.data for own in drawn)))
        values = np.array([own.hits.mean() for own in drawn])
        chance, half = (float(np.mean([getattr(own, name) for own in drawn])) for name in ("chance", "half"))
        interval = _over_draws(values) if evaluation.bootstrap else None
        ties = sum(own.ties for own in drawn)
        record = self.record(evaluation, "top1", float(values.mean()), chance, asked, interval, subset, half=half, ties=ties)
        answers = Answers(record.name, asked.keys, asked.units, np.mean([own.hits for own in drawn], axis=0))
        spread = [self.record(evaluation, "top1_sd", float(values.std(ddof=1)), None, asked, None, subset)] if len(values) > 1 else []
        return Results([record, *spread], answers=[answers])

    def _curve(self, evaluation: Evaluation, lines: dict[str, list[float]]) -> dict[str, dict[str, Any]]:
        if not evaluation.gallery or len(self.shots) < 2:
            return {}
        title = f"{self.reader.name}: accuracy by examples per class"
        drawn = figures.curve(title, self.shots, lines, "examples per class", "accuracy", log=True)
        return {f"{self.kind}/{self.reader.name}/shots": drawn}

    def _warn_of_few(self, train: Seen) -> None:
        counts = np.bincount(train.labels, minlength=len(self.class_names))
        few = int((counts < max(self.shots)).sum())
        if few:
            log.warning("%s: %d of %d classes have fewer than %d training examples", self.train.name, few, len(counts), max(self.shots))


def _over_draws(values: Array) -> Interval | None:
    """Student's interval of the mean of S accuracies; None for one."""
    if len(values) < 2:
        return None
    from scipy.stats import t as student  # slow to import

    reach = float(student.ppf(0.5 + LEVEL / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(max(0.0, float(values.mean()) - reach), min(1.0, float(values.mean()) + reach))
