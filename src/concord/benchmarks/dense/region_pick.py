"""Which of several boxes of an image a sentence is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from concord.benchmarks.dense.regions import Regions, View, shown
from concord.benchmarks.evaluation import Evaluation, Examples, log
from concord.benchmarks.gallery import Candidate, GalleryItem, mixed
from concord.benchmarks.ranking import TIE
from concord.benchmarks.records import Results, merge
from concord.benchmarks.task import Asked, Task
from concord.errors import ConfigError, DataError
from concord.images import decode
from concord.items import Reference, ReferenceSet, Region
from concord.types import Embeddings, Paper

Views = Literal["crop", "blur", "both"]

JOB = 64
"""Images whose sentences one process scores at a time."""

SHOWN = 5

LARGEST = "largest box"


@dataclass(frozen=True)
class _Verdict:
    """What came of a sentence: how well each of its boxes fits [K], which ones are right [K]."""

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]

    @property
    def best(self) -> NDArray[np.bool_]:
        """The boxes that reach the highest score, [K]."""
        return self.scores >= self.scores.max() - TIE * np.abs(self.scores).max()

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.scores).all())

    @property
    def hit(self) -> bool:
        """Whether every box with the highest score is right."""
        return self.finite and bool(self.right[self.best].all())

    @property
    def half(self) -> float:
        """The share of right boxes among those with the highest score."""
        return float(self.right[self.best].mean()) if self.finite else 0.0

    @property
    def tied(self) -> bool:
        """Whether right and wrong boxes tie for the highest score."""
        return self.finite and 0 < self.half < 1


class RegionPick(Task):
    """Of some boxes the one that a sentence is about, by crops and by images blurred outside of a box (Subramanian et al. 2022, ReCLIP).

    A pick is right where its box and one that is meant share more than half of their union. Without the rules for spatial words
    that ReCLIP adds, "left dog" is no easier than "dog".

    Records, `region_pick/DATASET/SUBSET/accuracy`: chance is the mean share of boxes that would be right; blind is the largest
    box. Boxes that tie for the highest score count as right where all of them are.

    Intervals draw whole images with all sentences about them.

    Args:
        reader: images and sentences about boxes in them.
        views: what stands for a box: "crop", the inside; "blur", the image blurred outside; "both", the sum of the two scores.
        template: what a sentence is put into, with `{}`.
        limit: at most so many sentences, a random subset; None takes all.
    """

    kind = "region_pick"
    reader: ReferenceSet
    paper: ClassVar[Paper] = Paper(
        "ReCLIP: A Strong Zero-Shot Baseline for Referring Expression Comprehension",
        "Subramanian et al.",
        2022,
        "https://arxiv.org/abs/2204.05991",
    )

    def __init__(self, reader: ReferenceSet, views: Views = "both", template: str = "a photo of {}", limit: int | None = None) -> None:
        super().__init__(reader, limit)
        if views not in get_args(Views):
            raise ValueError(f"views must be one of {', '.join(get_args(Views))}, got {views!r}")
        if "{}" not in template:
            raise ConfigError(f"template: {template!r} lacks the placeholder {{}} for the sentence")
        self.views: tuple[View, ...] = ("crop", "blur") if views == "both" else (views,)
        self.template = template

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "views": self.views, "template": self.template}

    def run(self, evaluation: Evaluation) -> Results:
        references = self._chosen(evaluation)
        regions = tuple(dict.fromkeys((one.image, region) for one in references for region in one.regions))
        looks = [evaluation.examples(Regions(self.reader.images, regions, view)) for view in self.views]
        row_of = [{regions[index]: row for row, index in enumerate(look.indices)} for look in looks]
        kept = [one for one in references if all((one.image, region) in rows for rows in row_of for region in one.regions)]
        if not kept:
            raise DataError(f"{self.reader.name}: no sentence has all its boxes")
        if len(kept) < len(references):
            log.warning("%s: %d sentences about boxes that cannot be shown are left out", self.reader.name, len(references) - len(kept))
        verdicts = self._verdicts(evaluation, kept, looks, row_of)
        checksum = _checksum(kept, looks)
        subsets = dict.fromkeys(one.subset for one in kept)
        parts = [self._measured(evaluation, subset, kept, verdicts, checksum) for subset in subsets]
        return merge([*parts, Results(gallery=self._gallery(evaluation, kept, verdicts))])

    def _chosen(self, evaluation: Evaluation) -> list[Reference]:
        references = list(self.reader.references)
        if self.limit is None or self.limit >= len(references):
            return references
        chosen = evaluation.generator("subset", self.reader.name).choice(len(references), size=self.limit, replace=False)
        return [references[place] for place in sorted(chosen.tolist())]

    def _verdicts(
        self,
        evaluation: Evaluation,
        references: Sequence[Reference],
        looks: Sequence[Examples],
        row_of: Sequence[Mapping[tuple[int, Region], int]],
    ) -> list[_Verdict]:
        """By sentence. The sentences about an image are compared with its boxes at once."""
        sentences = list(dict.fromkeys(one.sentence for one in references))
        column_of = {sentence: column for column, sentence in enumerate(sentences)}
        texts = evaluation.texts([self.template.replace("{}", sentence) for sentence in sentences])
        by_image: dict[int, list[int]] = {}
        for place, one in enumerate(references):
            by_image.setdefault(one.image, []).append(place)
        groups = list(by_image.values())
        jobs = [groups[start : start + JOB] for start in range(0, len(groups), JOB)]

        def work(job: Sequence[Sequence[int]]) -> list[tuple[int, NDArray[np.float64]]]:
            found = []
            for places in job:
                image = references[places[0]].image
                boxes = list(dict.fromkeys(region for place in places for region in references[place].regions))
                columns = torch.tensor([column_of[references[place].sentence] for place in places])
                scores = sum(
                    _scores(evaluation, look.images, [rows[image, box] for box in boxes], texts[columns])
                    for look, rows in zip(looks, row_of, strict=True)
                )
                for place, column in zip(places, np.asarray(scores).T, strict=True):
                    found.append((place, column[[boxes.index(region) for region in references[place].regions]]))
            return found

        scored = dict(pair for part in evaluation.ranks.spread(jobs, work) for pair in part)
        return [_Verdict(scored[place], _right(one)) for place, one in enumerate(references)]

    def _measured(
        self, evaluation: Evaluation, subset: str, references: Sequence[Reference], verdicts: Sequence[_Verdict], checksum: str
    ) -> Results:
        places = [place for place, one in enumerate(references) if one.subset == subset]
        own = [verdicts[place] for place in places]
        images = np.array([references[place].image for place in places])
        asked = Asked([references[place].key for place in places], images, checksum)
        chance = float(np.mean([verdict.right.mean() for verdict in own]))
        blind = float(np.mean([_largest(references[place], verdict.right) for place, verdict in zip(places, own, strict=True)]))
        columns = {"half": float(np.mean([one.half for one in own])), "ties": sum(one.tied for one in own)}
        hits = [one.hit for one in own]
        return self.share(evaluation, "accuracy", hits, chance, asked, subset, blind=blind, blind_by=LARGEST, **columns)

    def _gallery(self, evaluation: Evaluation, references: Sequence[Reference], verdicts: Sequence[_Verdict]) -> list[GalleryItem]:
        order = evaluation.generator("gallery", self.reader.name).permutation(len(references)).tolist()
        rows = mixed(order, [verdict.hit for verdict in verdicts], evaluation.gallery)
        return [self._item(references[row], verdicts[row]) for row in rows]

    def _item(self, reference: Reference, verdict: _Verdict) -> GalleryItem:
        picture = decode(self.reader.images[reference.image].image)
        answers = []
        for box in np.argsort(-verdict.scores, kind="stable")[:SHOWN].tolist():
            crop = shown(picture, reference.regions[box], "crop", reference.key)
            answers.append(Candidate(None, crop, float(verdict.scores[box]), bool(verdict.right[box])))
        return GalleryItem(self.kind, self.reader.name, picture, reference.sentence, [], answers)


def _scores(evaluation: Evaluation, images: Embeddings, rows: list[int], texts: Embeddings) -> NDArray[np.float64]:
    return evaluation.scorer.score(images[torch.tensor(rows)], texts, query="text").double().numpy()


def _right(reference: Reference) -> NDArray[np.bool_]:
    """By box, whether it covers what is meant."""
    return np.array([any(region.iou(gold) > 0.5 for gold in reference.gold) for region in reference.regions])


def _largest(reference: Reference, right: NDArray[np.bool_]) -> float:
    """Whether the largest box is right; of several, the share."""
    areas = np.array([region.area for region in reference.regions])
    return float(right[areas == areas.max()].mean())


def _checksum(references: Sequence[Reference], looks: Sequence[Examples]) -> str:
    hashed = blake2b("".join(look.checksum for look in looks).encode(), digest_size=8)
    for reference in references:
        hashed.update(repr(reference).encode("utf-8", "backslashreplace"))
    return hashed.hexdigest()
