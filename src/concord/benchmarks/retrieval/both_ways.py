"""One search of images for texts and of texts for images, with what was asked.

Dimensions: N images, Q captions, U texts among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.retrieval.matching import match
from concord.benchmarks.retrieval.places import Places
from concord.benchmarks.retrieval.pool import Pool
from concord.benchmarks.task import Asked
from concord.types import Embeddings

IMAGE_TO_TEXT, TEXT_TO_IMAGE = "image_to_text", "text_to_image"


@dataclass(frozen=True)
class Search:
    """Images and captions that were searched for one another.

    Attributes:
        name: of the captions' variant, "" for the captions as they are.
        examples: N of them.
        pool: what fits what.
        texts: U embedded.
        places: by direction, where the right candidates of each question stand: of N images, or of Q captions.
        asked: by direction, the questions.
    """

    name: str
    examples: Examples
    pool: Pool
    texts: Embeddings
    places: dict[str, Places]
    asked: dict[str, Asked]

    def subset(self, *parts: str) -> str:
        """The name of a subset of records."""
        return "/".join(part for part in (self.name, *parts) if part)

    def part(self, evaluation: Evaluation, start: int, end: int) -> Search:
        """The same search among some neighbouring images and their captions only."""
        pool, kept = self.pool.part(start, end)
        examples = self.examples.take(range(start, end))
        return search(evaluation, self.name, examples, pool, self.texts[kept], self.asked[IMAGE_TO_TEXT].units[start:end])


def search(evaluation: Evaluation, name: str, examples: Examples, pool: Pool, texts: Embeddings, units: NDArray[np.int64]) -> Search:
    """Search both ways.

    Args:
        evaluation: the model and the processes.
        name: of the captions' variant.
        examples, pool, texts: what is searched.
        units: [N] the independent units that the images belong to.
    """
    by_image, by_text = match(evaluation.scorer, examples.images, texts, pool.matches(), evaluation.ranks)
    owners = pool.image_of.tolist()
    asked = {
        IMAGE_TO_TEXT: Asked([pair.key for pair in examples.pairs], units, examples.checksum),
        TEXT_TO_IMAGE: Asked(_caption_keys(examples, owners), units[owners], examples.checksum),
    }
    places = {IMAGE_TO_TEXT: by_image, TEXT_TO_IMAGE: by_text.take(pool.text_of.numpy())}
    return Search(name, examples, pool, texts, places, asked)


def _caption_keys(examples: Examples, owners: Sequence[int]) -> list[str]:
    """A caption goes by its image and its number among the captions of the image: `123#0`, as in Flickr30k."""
    seen = [0] * len(examples)
    keys = []
    for owner in owners:
        keys.append(f"{examples.pairs[owner].key}#{seen[owner]}")
        seen[owner] += 1
    return keys
