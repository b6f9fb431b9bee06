"""Zero-shot classification where an image can show several classes at a time, or none.

Dimensions: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from concord.benchmarks.classification.by_class import ByClass, ranking, report
from concord.benchmarks.classification.decisions import BINARY, best_threshold, binary_by_chance, outcomes
from concord.benchmarks.classification.labels import labels_of
from concord.benchmarks.classification.prompts import Wording, wording_of
from concord.benchmarks.classification.ranked_classes import RankedClasses
from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.gallery import Candidate, GalleryItem, mixed
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Results, merge
from concord.benchmarks.statistics import Floats
from concord.benchmarks.task import Asked, Task
from concord.errors import ConfigError
from concord.types import Paper

Metric = Literal["map", "map_11point", "auroc"]
SHOWN = 5


@dataclass(frozen=True)
class Scored:
    """Images with a score and a label for each class.

    Attributes:
        examples: the images.
        scores: [N, C]; of prompt pairs the difference of the two.
        labels: [N, C], 1 or 0, nan where unknown.
        largest: the largest score in absolute value before any difference, by which ties are judged.
        asked: their names and units.
    """

    examples: Examples
    scores: Floats
    labels: Floats
    largest: float
    asked: Asked


class ZeroShotMultiLabel(Task):
    """Average precision and AUROC of each class by its own ranking of the images, and their means over the classes.

    With negative prompts each class has a pair of descriptions, "pneumonia" and "no pneumonia", and its score is the softmax
    over the two (CheXzero, Tiu et al. 2022), which ranks as their difference does. Labels that are unknown do not count.

    Records, `multi_label/DATASET/METRIC` as the mean over classes, and `multi_label/DATASET/CLASS/METRIC`:
        map (by class ap): average precision, not interpolated, over the classes with a positive; images that tie enter the
            ranking together, so that a constant model gets the share of positives, which is the chance.
        map_11point (ap_11point): interpolated at 11 recalls, as the devkit of VOC 2007 and ELEVATER have it.
        auroc: over the classes with a positive and a negative; a tie counts half.
        f1, mcc, balanced_accuracy: with `validation` only. The threshold of each class and metric is chosen there and applied
            here. Chance is what the share of positives alone gives: F1 by always saying yes, 0 and one half.

    A resample without a positive, or without a negative, of a class leaves that class out.

    Args:
        reader: pairs with `labels` in their metadata: by class 1, 0, or None where unknown.
        templates, class_names, descriptions, synonyms: see `ZeroShotClassification`.
        negative_templates: sentences with `{}` that deny a class, such as "no {}".
        negative_descriptions: by class name sentences that deny it, or a JSON file with them.
        metrics: what to report.
        validation: other images with the same classes, to choose thresholds on.
        limit, unit: see `Task`.
    """

    kind = "multi_label"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "Expert-level detection of pathologies from unannotated chest X-ray images via self-supervised learning",
        "Tiu et al.",
        2022,
        "https://doi.org/10.1038/s41551-022-00936-9",
    )

    def __init__(
        self,
        reader: Reader,
        templates: list[str] | str | None = None,
        class_names: list[str] | str | None = None,
        descriptions: dict[str, list[str]] | str | None = None,
        synonyms: str | None = None,
        negative_templates: list[str] | str | None = None,
        negative_descriptions: dict[str, list[str]] | str | None = None,
        metrics: tuple[Metric, ...] = ("map", "auroc"),
        validation: Reader | None = None,
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        self.wording = wording_of(reader, class_names, templates, descriptions, synonyms)
        self.denial: Wording | None = None
        if negative_templates is not None or negative_descriptions is not None:
            self.denial = wording_of(reader, class_names, negative_templates, negative_descriptions, synonyms)
        if validation is not None and validation.name == reader.name:
            raise ConfigError(f"validation must be another data set than the test set {reader.name}, with a name of its own")
        self.metrics = tuple(metrics)
        self.validation = validation

    @property
    def class_names(self) -> list[str]:
        """By place in the labels."""
        return list(self.wording.names)

    def settings(self) -> Mapping[str, Any]:
        denial = {} if self.denial is None else {f"negative_{key}": value for key, value in self.denial.settings().items()}
        chosen_on = {} if self.validation is None else {"validation": self.validation.name}
        return {**super().settings(), **self.wording.settings(), **denial, **chosen_on}

    def run(self, evaluation: Evaluation) -> Results:
        test = self._scored(evaluation, self.reader, self.limit)
        ranked = RankedClasses(test.scores, test.labels, test.largest)
        positives, known = ranked.counts(np.ones(len(test.asked)))
        share = np.divide(positives, known, out=np.full(len(known), np.nan), where=known > 0)
        found = [ranking(metric, ranked) for metric in self.metrics]
        if self.validation is not None:
            chosen_on = self._scored(evaluation, self.validation, None)
            found += [self._decisions(metric, chosen_on, test, share) for metric in BINARY]
        parts = [report(self, evaluation, by_class, self.class_names, test.labels, test.asked) for by_class in found]
        return merge([*parts, Results(gallery=self._gallery(evaluation, test))])

    def _scored(self, evaluation: Evaluation, reader: Reader, limit: int | None) -> Scored:
        examples = evaluation.examples(reader, limit)
        labels = np.array([labels_of(examples, row, len(self.class_names)) for row in range(len(examples))], dtype=np.float64)
        prompts = self.wording.prompts() + ([] if self.denial is None else self.denial.prompts())
        scores = evaluation.class_scores(examples.images, prompts).double().numpy()
        finite = np.abs(scores[np.isfinite(scores)])
        asked = Asked([pair.key for pair in examples.pairs], self.units(examples.pairs), examples.checksum)
        if self.denial is not None:
            scores = scores[:, : len(self.class_names)] - scores[:, len(self.class_names) :]
        return Scored(examples, scores, labels, float(finite.max(initial=0.0)), asked)

    def _decisions(self, metric: str, chosen_on: Scored, test: Scored, share: Floats) -> ByClass:
        """F1 and the like, with thresholds from other images."""
        seen = [(chosen_on.labels == value).any(axis=0) for value in (0, 1)]
        counted = seen[0] & seen[1] & (share > 0) & (share < 1)
        thresholds = np.full(len(share), np.inf)
        for c in np.flatnonzero(counted):
            thresholds[c] = best_threshold(chosen_on.scores[:, c], chosen_on.labels[:, c], metric, chosen_on.largest)
        count = outcomes(test.scores > thresholds, test.labels)
        chance = binary_by_chance(metric, share)
        return ByClass(metric, metric, lambda weights: BINARY[metric](*count(weights)), counted, chance, signed=metric == "mcc")

    def _gallery(self, evaluation: Evaluation, test: Scored) -> list[GalleryItem]:
        """Images with their best classes; rightly answered is one whose best class is there."""
        showing = np.flatnonzero((test.labels == 1).any(axis=1))
        best = np.argsort(-test.scores, axis=1, kind="stable")[:, :SHOWN]
        right = [bool(test.labels[row, best[row, 0]] == 1) for row in range(len(test.scores))]
        order = evaluation.generator("gallery", self.reader.name).permutation(showing).tolist()
        return [
            GalleryItem(
                self.kind,
                self.reader.name,
                test.examples.picture(row),
                None,
                [self.class_names[c] for c in np.flatnonzero(test.labels[row] == 1)],
                [Candidate(self.class_names[c], None, float(test.scores[row, c]), bool(test.labels[row, c] == 1)) for c in best[row]],
            )
            for row in mixed(order, right, evaluation.gallery)
        ]
