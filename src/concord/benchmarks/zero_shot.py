"""Zero-shot classification: the class whose description fits an image best.

Dimensions: N images, C classes, T templates.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.gallery import Candidate, GalleryItem
from concord.benchmarks.prompts import prompts_of, templates_of
from concord.benchmarks.protocol import Reader
from concord.benchmarks.ranking import label_ranks
from concord.benchmarks.records import Results, merge
from concord.benchmarks.statistics import bootstrap, class_mean_of, share_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import ConfigError, DataError
from concord.types import Paper

SHOWN = 5


class ZeroShotClassification(Task):
    """Top-1, top-5 and mean-per-class accuracy with prompt ensembles (Radford et al. 2021, section 3.1).

    An image counts for top-k where fewer than k other classes reach the score of the right one: ties are misses. The mean
    per class is over the classes that occur. The prompts are embedded anew in every run, because the text tower may have
    moved since the last.

    Records: `zero_shot/DATASET/{top1,top5,mean_per_class}`; top5 only with more than five classes. The interval of the
    mean per class draws within each class.

    Args:
        reader: pairs with an integer `label` in their metadata.
        templates: sentences with `{}` for the class name, or the name of a set in `prompts.py`.
        class_names: by label; None takes the reader's own `class_names`.
        limit, unit: see `Task`.
    """

    kind = "zero_shot"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "Learning Transferable Visual Models From Natural Language Supervision", "Radford et al.", 2021, "https://arxiv.org/abs/2103.00020"
    )

    def __init__(
        self,
        reader: Reader,
        templates: list[str] | str = "photo",
        class_names: list[str] | None = None,
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        self.templates = templates_of(templates)
        names = getattr(reader, "class_names", None) if class_names is None else class_names
        if names is None:
            raise ConfigError(f"class_names must be given: {reader.name} has none of its own")
        if len(names) < 2:
            raise ValueError(f"class_names must hold at least 2 classes, got {len(names)}")
        self.class_names = list(names)

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader, self.limit)
        labels = torch.tensor([self._label(examples, row) for row in range(len(examples))])
        scores = evaluation.class_scores(examples.images, prompts_of(self.class_names, self.templates))
        asked = Asked([pair.key for pair in examples.pairs], self.units(examples.pairs), examples.checksum)
        results = self._measured(evaluation, label_ranks(scores, labels).numpy(), labels.numpy(), asked)
        return replace(results, gallery=self._gallery(evaluation, examples, scores, labels))

    def _label(self, examples: Examples, row: int) -> int:
        label = examples.pairs[row].metadata.get("label")
        if not isinstance(label, int) or not 0 <= label < len(self.class_names):
            place = f"{self.reader.name}, example {examples.indices[row]}"
            raise DataError(f"{place}: label must be an integer in [0, {len(self.class_names) - 1}], got {label!r}")
        return label

    def _measured(self, evaluation: Evaluation, ranks: NDArray[np.int64], labels: NDArray[np.int64], asked: Asked) -> Results:
        classes = len(self.class_names)
        tops = [self.share(evaluation, f"top{k}", ranks <= k, k / classes, asked) for k in (1, 5) if k < classes]
        statistic = class_mean_of(ranks <= 1, labels)
        value = float(statistic(np.ones(len(labels)))[0])
        interval = None
        if evaluation.bootstrap:
            drawn = {"strata": labels} if self.unit is None else {"units": asked.units}
            rng = evaluation.generator(self.kind, self.reader.name, "mean_per_class")
            samples = bootstrap(statistic, len(labels), evaluation.bootstrap, rng, **drawn)[:, 0]
            interval = share_interval(value, samples, len(np.unique(asked.units)))
        mean = self.record(evaluation, "mean_per_class", value, 1 / classes, asked, interval)
        return merge([*tops, Results([mean])])

    def _gallery(self, evaluation: Evaluation, examples: Examples, scores: Tensor, labels: Tensor) -> list[GalleryItem]:
        return [
            GalleryItem(
                self.kind,
                self.reader.name,
                examples.picture(row),
                None,
                [self.class_names[int(labels[row])]],
                self._answers(scores[row], int(labels[row])),
            )
            for row in evaluation.shown(len(examples), self.reader.name)
        ]

    def _answers(self, scores: Tensor, label: int) -> list[Candidate]:
        best = scores.topk(min(SHOWN, len(scores)))
        return [
            Candidate(self.class_names[c], None, score, c == label)
            for score, c in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
