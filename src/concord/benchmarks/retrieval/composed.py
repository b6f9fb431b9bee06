"""Composed retrieval: an image and what shall be different in it, to the image that is like that.

Dimensions: Q queries, K images, E embedding width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.gallery import Candidate, GalleryItem
from concord.benchmarks.records import Results, merge
from concord.benchmarks.retrieval.composed_search import Compositions, Question, answerable, compose, in_gallery, in_group
from concord.benchmarks.retrieval.measures import Measure, average_precisions, recalls, report, report_means
from concord.benchmarks.retrieval.places import Floats, Places
from concord.benchmarks.retrieval.search import top_k
from concord.benchmarks.task import Asked, Task
from concord.errors import DataError
from concord.items import ComposedQuery, ComposedSet
from concord.types import Paper

SHOWN = 5
WAYS = ("image", "text", "sum")


@dataclass(frozen=True)
class Found:
    """Where targets stand.

    Attributes:
        recalled: the first target of each query in its gallery.
        every: all its targets there; None where that is not asked for.
        group: its target in its group; None where that is not asked for.
    """

    recalled: Places
    every: Places | None
    group: Places | None

    def take(self, rows: Sequence[int]) -> Found:
        """Some of the queries."""
        every, group = (None if places is None else places.take(rows) for places in (self.every, self.group))
        return Found(self.recalled.take(rows), every, group)


class ComposedRetrieval(Task):
    """Recall and mAP of three simple ways to compose a query: the image alone, the text alone, and their sum.

    The sum is that of the unit vectors of image and text, brought back to unit length; several wordings of one change are
    averaged. Compared are directions of vectors, also for models whose score is something else. A way to compose that is worth
    its name beats all three. Ties count as misses.

    Records, `composed/DATASET/{image,text,sum}/METRIC`, and with subsets also `composed/DATASET/SUBSET/{image,text,sum}/METRIC`:

    - r1, ...: whether the (first) target is among so many; with several subsets their mean (FashionIQ), and `mean_recall`, the
      mean over the cuts.
    - map5, ...: with `average_precisions`, over all targets (CIRCO, Baldrati et al. 2023); also by aspect, as a subset.
    - group_r1, ...: with `group_recalls`, among the few look-alikes (CIRR, Liu et al. 2021), and `mean_r5_group_r1`, the mean
      that CIRR is ranked by.

    Intervals draw reference images (or units), each with all its queries.

    Args:
        reader: images and queries.
        recalls: cuts of recall in the gallery.
        average_precisions: depths of mAP.
        group_recalls: cuts of recall in the group of each query.
        limit: at most so many queries, a random subset by the seed of the bench; the gallery stays.
        unit: see `Task`; of the reference image.
    """

    kind = "composed"
    reader: ComposedSet
    paper: ClassVar[Paper] = Paper(
        "Image Retrieval on Real-life Images with Pre-trained Vision-and-Language Models",
        "Liu et al.",
        2021,
        "https://arxiv.org/abs/2108.04024",
    )

    def __init__(
        self,
        reader: ComposedSet,
        recalls: list[int] | None = None,
        average_precisions: list[int] | None = None,
        group_recalls: list[int] | None = None,
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        self.recalls = [1, 5, 10, 50] if recalls is None else list(recalls)
        self.average_precisions = list(average_precisions or ())
        self.group_recalls = list(group_recalls or ())
        if not self.recalls:
            raise ValueError("recalls must hold at least one number, got none")
        for name in ("recalls", "average_precisions", "group_recalls"):
            if min(getattr(self, name), default=1) < 1:
                raise ValueError(f"{name} must hold numbers of at least 1, got {getattr(self, name)}")

    def settings(self) -> Mapping[str, Any]:
        cuts = {name: getattr(self, name) for name in ("recalls", "average_precisions", "group_recalls")}
        return {**super().settings(), **cuts}

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader.images)
        questions = answerable(self.reader.name, examples, self._drawn(evaluation))
        self._check(questions)
        compositions = compose(evaluation, examples, questions)
        references = [examples.pairs[question.reference] for question in questions]
        units = np.array([question.reference for question in questions]) if self.unit is None else self.units(references)
        asked = Asked([question.query.key for question in questions], units, examples.checksum)
        found = [
            self._measured(evaluation, self._searched(evaluation, compositions, way, questions), questions, asked, way) for way in WAYS
        ]
        return replace(merge(found), gallery=self._gallery(evaluation, examples, compositions, questions))

    def _drawn(self, evaluation: Evaluation) -> Sequence[ComposedQuery]:
        queries = self.reader.queries
        if self.limit is None or len(queries) <= self.limit:
            return queries
        drawn = evaluation.generator("subset", self.reader.name).choice(len(queries), size=self.limit, replace=False)
        return [queries[place] for place in sorted(drawn.tolist())]

    def _check(self, questions: Sequence[Question]) -> None:
        for question in questions:
            if self.group_recalls and not question.group:
                raise DataError(f"{self.reader.name}, query {question.query.key}: it has no group; set group_recalls to null")

    def _searched(self, evaluation: Evaluation, compositions: Compositions, way: str, questions: Sequence[Question]) -> Found:
        targets = [question.targets for question in questions]
        recalled = in_gallery(evaluation, compositions, way, questions, [own[:1] for own in targets])
        every = in_gallery(evaluation, compositions, way, questions, targets) if self.average_precisions else None
        return Found(recalled, every, in_group(evaluation, compositions, way, questions) if self.group_recalls else None)

    def _measured(self, evaluation: Evaluation, found: Found, questions: Sequence[Question], asked: Asked, way: str) -> Results:
        parts = []
        subsets = _rows_by([[question.query.subset] for question in questions])
        if len(subsets) == 1:
            parts.append(report(self, evaluation, self._measures(found), asked, way))
        else:
            for name, rows in subsets.items():
                parts.append(report(self, evaluation, self._measures(found.take(rows)), asked.take(rows), f"{name}/{way}"))
            cuts = [(asked.take(rows), recalls(found.recalled.take(rows), self.recalls)) for rows in subsets.values()]
            parts.append(report_means(self, evaluation, cuts, way, self._mean_recall))
        if found.group is not None and 1 in self.group_recalls and 5 in self.recalls:
            pair = [*recalls(found.recalled, [5]), *recalls(found.group, [1], "group_r")]
            parts.append(report_means(self, evaluation, [(asked, pair)], way, lambda means: {"mean_r5_group_r1": float(means.mean())}))
        if found.every is not None:
            for aspect, rows in _rows_by([question.query.aspects for question in questions]).items():
                own = average_precisions(found.every.take(rows), self.average_precisions)
                parts.append(report(self, evaluation, own, asked.take(rows), f"{aspect}/{way}"))
        return merge(parts)

    def _measures(self, found: Found) -> list[Measure]:
        return [
            *recalls(found.recalled, self.recalls),
            *([] if found.every is None else average_precisions(found.every, self.average_precisions)),
            *([] if found.group is None else recalls(found.group, self.group_recalls, "group_r")),
        ]

    def _mean_recall(self, means: Floats) -> dict[str, float]:
        return {**{f"r{k}": float(mean) for k, mean in zip(self.recalls, means, strict=True)}, "mean_recall": float(means.mean())}

    def _gallery(
        self, evaluation: Evaluation, examples: Examples, compositions: Compositions, questions: Sequence[Question]
    ) -> list[GalleryItem]:
        """A few queries with the images that the sum finds among all images but the reference."""
        shown = evaluation.shown(len(questions), self.reader.name)
        if not shown:
            return []
        chosen = torch.tensor(shown)
        vectors = compositions.queries["sum"]

        def score(row: Tensor, image: Tensor) -> Tensor:
            return vectors[chosen[row]] @ compositions.images[image].T

        found = top_k(score, len(shown), len(examples), SHOWN + 1, evaluation.ranks)
        items = []
        for row, place in enumerate(shown):
            question = questions[place]
            answers = zip(found.scores[row].tolist(), found.places[row].tolist(), strict=True)
            others = [(value, image) for value, image in answers if image != question.reference][:SHOWN]
            top = [
                Candidate(examples.pairs[image].key, examples.picture(image), value, image in question.targets) for value, image in others
            ]
            truth = [examples.pairs[image].key for image in question.targets]
            words = " / ".join(question.query.texts)
            items.append(GalleryItem(self.kind, self.reader.name, examples.picture(question.reference), words, truth, top))
        return items


def _rows_by(names: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """By name, the places that have it, in order of the names."""
    found: dict[str, list[int]] = {}
    for place, own in enumerate(names):
        for name in own:
            found.setdefault(name, []).append(place)
    return dict(sorted(found.items()))
