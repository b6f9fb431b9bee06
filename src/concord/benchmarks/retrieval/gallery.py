"""A few queries of a retrieval, both ways, with their best answers."""

from __future__ import annotations

import torch
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.gallery import Candidate, GalleryItem
from concord.benchmarks.retrieval.both_ways import IMAGE_TO_TEXT, TEXT_TO_IMAGE, Search
from concord.benchmarks.retrieval.search import Found, top_k

SHOWN = 5
TRUTHS = 10
"""Right answers that are named; with labels there may be thousands."""


def gallery(evaluation: Evaluation, search: Search) -> list[GalleryItem]:
    """Random images and captions, each with the five candidates that the model likes best."""
    name, pool, examples = search.examples.reader.name, search.pool, search.examples
    images = torch.tensor(evaluation.shown(pool.images, f"{name}/{IMAGE_TO_TEXT}"), dtype=torch.int64)
    captions = torch.tensor(evaluation.shown(len(pool.text_of), f"{name}/{TEXT_TO_IMAGE}"), dtype=torch.int64)
    if len(images) == 0:
        return []
    queries = pool.text_of[captions]
    scorer, ranks = evaluation.scorer, evaluation.ranks

    def by_image(row: Tensor, text: Tensor) -> Tensor:
        return scorer.score(examples.images[images[row]], search.texts[text])

    def by_text(row: Tensor, image: Tensor) -> Tensor:
        return scorer.score(examples.images[image], search.texts[queries[row]], query="text").T

    texts_found = top_k(by_image, len(images), len(pool.texts), SHOWN, ranks)
    images_found = top_k(by_text, len(queries), pool.images, SHOWN, ranks)
    described = [_describe(search, image, texts_found, row) for row, image in enumerate(images.tolist())]
    return described + [_find(search, text, images_found, row) for row, text in enumerate(queries.tolist())]


def _describe(search: Search, image: int, found: Found, row: int) -> GalleryItem:
    """An image and the texts found for it."""
    pool, examples = search.pool, search.examples
    right = pool.pairs[pool.pairs[:, 0] == image, 1].tolist()
    answers = zip(found.scores[row].tolist(), found.places[row].tolist(), strict=True)
    top = [Candidate(pool.texts[text], None, score, text in right) for score, text in answers]
    truth = [pool.texts[text] for text in right[:TRUTHS]]
    return GalleryItem(IMAGE_TO_TEXT, examples.reader.name, examples.picture(image), None, truth, top)


def _find(search: Search, text: int, found: Found, row: int) -> GalleryItem:
    """A text and the images found for it."""
    pool, examples = search.pool, search.examples
    right = pool.pairs[pool.pairs[:, 1] == text, 0].tolist()
    answers = zip(found.scores[row].tolist(), found.places[row].tolist(), strict=True)
    top = [Candidate(examples.pairs[image].key, examples.picture(image), score, image in right) for score, image in answers]
    truth = [examples.pairs[image].key for image in right[:TRUTHS]]
    return GalleryItem(TEXT_TO_IMAGE, examples.reader.name, None, pool.texts[text], truth, top)
