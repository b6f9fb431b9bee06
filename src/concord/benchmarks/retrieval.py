"""Retrieval: finding the captions of an image, and the image of a caption.

Dimensions: N images, Q captions, U distinct texts among them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation, Examples, log
from concord.benchmarks.gallery import Candidate, GalleryItem
from concord.benchmarks.pool import Pool
from concord.benchmarks.protocol import Reader
from concord.benchmarks.ranking import match_ranks
from concord.benchmarks.records import Results, merge
from concord.benchmarks.statistics import bootstrap, median_of, median_rank_by_chance, percentile_interval, recall_by_chance
from concord.benchmarks.task import Asked, Task
from concord.errors import DataError
from concord.types import Embeddings, Paper

CUTS = (1, 5, 10)
SHOWN = 5


class Retrieval(Task):
    """Recall at 1, 5 and 10 and median rank, both ways, with any number of captions per image (Karpathy and Fei-Fei 2015).

    A query is a hit at k if any of its matches is among the k best: of an image, any of its captions; of a caption, its
    image. Wrong candidates that tie with a match rank before it. Captions with the same words fit all the images that carry
    them. Scores of any sign will do.

    Records: `retrieval/DATASET/{image_to_text,text_to_image}/{r1,r5,r10,median_rank}`. Intervals draw images, each with all
    its captions; the candidates stay.

    Args:
        reader: pairs with captions.
        captions_per_image: the first so many captions of each image are searched for and with; None takes all.
        limit, unit: see `Task`.
    """

    kind = "retrieval"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "Deep Visual-Semantic Alignments for Generating Image Descriptions",
        "Karpathy and Fei-Fei",
        2015,
        "https://arxiv.org/abs/1412.2306",
    )

    def __init__(self, reader: Reader, captions_per_image: int | None = None, limit: int | None = None, unit: str | None = None) -> None:
        super().__init__(reader, limit, unit)
        if captions_per_image is not None and captions_per_image < 1:
            raise ValueError(f"captions_per_image must be at least 1 or null, got {captions_per_image}")
        self.captions_per_image = captions_per_image

    def run(self, evaluation: Evaluation) -> Results:
        examples = self._captioned(evaluation.examples(self.reader, self.limit))
        pool = Pool([pair.captions for pair in examples.pairs], self.captions_per_image)
        texts = evaluation.texts(pool.texts)
        score, images = evaluation.scorer.score, examples.images
        by_image = match_ranks(lambda some: score(images[some], texts), pool.pairs, pool.copies)
        one_each = torch.ones(pool.images, dtype=torch.int64)
        by_text = match_ranks(lambda some: score(images, texts[some], query="text").T, pool.pairs_by_text, one_each)
        captions, image_of = pool.text_of, pool.image_of.tolist()
        images_asked = Asked([pair.key for pair in examples.pairs], self.units(examples.pairs), examples.checksum)
        directions = (
            Queries("image_to_text", by_image, pool.matching_captions(), len(captions), images_asked),
            Queries("text_to_image", by_text[captions], pool.matching_images()[captions], pool.images, images_asked.take(image_of)),
        )
        found = merge([self._measured(evaluation, queries) for queries in directions])
        return replace(found, gallery=_gallery(evaluation, examples, pool, texts))

    def _captioned(self, examples: Examples) -> Examples:
        rows = [row for row, pair in enumerate(examples.pairs) if pair.captions]
        if len(rows) < 2:
            raise DataError(f"{self.reader.name}: retrieval needs at least 2 images with a caption, got {len(rows)}")
        if len(rows) < len(examples):
            log.warning("%s: %d images without a caption are left out", self.reader.name, len(examples) - len(rows))
        return examples.take(rows)

    def _measured(self, evaluation: Evaluation, queries: Queries) -> Results:
        ranks, matches, asked = queries.ranks.numpy(), queries.matches.tolist(), queries.asked
        recalls = [
            self.share(evaluation, f"r{k}", ranks <= k, recall_by_chance(queries.candidates, matches, k), asked, queries.direction)
            for k in CUTS
        ]
        median = median_of(ranks)
        value, interval = float(median(np.ones(len(ranks)))[0]), None
        if evaluation.bootstrap:
            rng = evaluation.generator(self.kind, self.reader.name, queries.direction, "median_rank")
            samples = bootstrap(median, len(ranks), evaluation.bootstrap, rng, np.unique(asked.units, return_inverse=True)[1])
            interval = percentile_interval(samples[:, 0])
        chance = median_rank_by_chance(queries.candidates, matches)
        middle = self.record(evaluation, "median_rank", value, chance, asked, interval, queries.direction)
        return merge([*recalls, Results([middle])])


@dataclass(frozen=True)
class Queries:
    """One direction of the search.

    Attributes:
        direction: "image_to_text" or "text_to_image".
        ranks: by query, the place of its best match.
        matches: by query, how many candidates match.
        candidates: how many there are.
        asked: the queries' names and units.
    """

    direction: str
    ranks: Tensor
    matches: Tensor
    candidates: int
    asked: Asked


def _gallery(evaluation: Evaluation, examples: Examples, pool: Pool, texts: Embeddings) -> list[GalleryItem]:
    """A few queries of each direction with their best answers."""
    name = examples.reader.name
    images = evaluation.shown(pool.images, f"{name}/image_to_text")
    captions = evaluation.shown(len(pool.text_of), f"{name}/text_to_image")
    if not images:
        return []
    queries = pool.text_of[captions].tolist()
    fits = set(map(tuple, pool.pairs.tolist()))
    found_texts = _best(evaluation.scorer.score(examples.images[torch.tensor(images)], texts))
    found_images = _best(evaluation.scorer.score(examples.images, texts[torch.tensor(queries)], query="text").T)

    def describe(image: int, answers: Answers) -> GalleryItem:
        truth = [pool.texts[text] for text in range(len(pool.texts)) if (image, text) in fits]
        top = [Candidate(pool.texts[text], None, score, (image, text) in fits) for score, text in answers]
        return GalleryItem("image_to_text", name, examples.picture(image), None, truth, top)

    def find(text: int, answers: Answers) -> GalleryItem:
        truth = [examples.pairs[image].key for image in range(pool.images) if (image, text) in fits]
        top = [Candidate(examples.pairs[image].key, examples.picture(image), score, (image, text) in fits) for score, image in answers]
        return GalleryItem("text_to_image", name, None, pool.texts[text], truth, top)

    return [*map(describe, images, found_texts), *map(find, queries, found_images)]


Answers = list[tuple[float, int]]
"""Scores and places of the best candidates, best first."""


def _best(scores: Tensor) -> list[Answers]:
    """The answers of each row."""
    best = scores.topk(min(SHOWN, scores.shape[1]), dim=1)
    return [list(zip(values, places, strict=True)) for values, places in zip(best.values.tolist(), best.indices.tolist(), strict=True)]
