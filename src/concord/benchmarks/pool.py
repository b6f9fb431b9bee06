"""Which captions fit which images, and how well a score finds them.

Dimensions: N images, Q captions, U distinct texts among them, P pairs of an image and a distinct text of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from concord.benchmarks.ranking import rivals, tie_width
from concord.benchmarks.texts import Vocabulary

ScoreTile = Callable[[slice, Tensor | slice], Tensor]
"""Scores of some images against some distinct texts."""

TILE = 2**22
"""Scores that are held at one time."""


class Pool:
    """Images and captions that are searched for one another.

    Two captions with the same words are the same text: no model can tell them apart, so a text fits every image that
    carries it. Each copy still takes a place of its own among the candidates.

    Args:
        captions: by image, at least one each.

    Attributes:
        texts: the U distinct texts.
        image_of, text_of: [Q] int64, by caption.
        copies: [U] how many captions say the text.
        pairs: [P, 2] int64, image and text, ordered by image.
    """

    def __init__(self, captions: Sequence[Sequence[str]]) -> None:
        vocabulary = Vocabulary()
        places = [(image, vocabulary.add(caption)) for image, own in enumerate(captions) for caption in own]
        self.images = len(captions)
        self.texts = vocabulary.texts
        self.image_of, self.text_of = torch.tensor(places).T
        self.copies = torch.bincount(self.text_of, minlength=len(self.texts))
        self.pairs = torch.tensor(sorted(set(places)))

    def matching_captions(self) -> Tensor:
        """How many captions in the pool fit each image, [N]."""
        image, text = self.pairs.T
        return torch.zeros(self.images, dtype=torch.int64).index_add(0, image, self.copies[text])

    def matching_images(self) -> Tensor:
        """How many images in the pool fit each distinct text, [U]."""
        return torch.bincount(self.pairs[:, 1], minlength=len(self.texts))

    def image_ranks(self, score: ScoreTile) -> Tensor:
        """By image, the place of its best-ranked caption among all captions, 1 for the best, [N].

        A match ranks after all wrong candidates that tie with it. A few rows of the scores are held at a time.
        """
        ranks = torch.ones(self.images)
        copies = self.copies.float()
        for rows, wrong in self._rivals(score, axis=0):
            ranks[rows] += wrong.float() @ copies
        return ranks.long()

    def text_ranks(self, score: ScoreTile) -> Tensor:
        """By distinct text, the place of its best-ranked image among all images, 1 for the best, [U]; as `image_ranks`."""
        ranks = torch.ones(len(self.texts), dtype=torch.int64)
        for _, wrong in self._rivals(score, axis=1):
            ranks += wrong.sum(dim=0)
        return ranks

    def _rivals(self, score: ScoreTile, axis: int) -> Iterator[tuple[slice, Tensor]]:
        """Rows of images and which wrong pairs in them the query's best match does not beat, bool [rows, U].

        The queries are the images (axis 0) or the texts (axis 1).
        """
        right = self._pair_scores(score)
        width = tie_width(right)
        best = torch.full((self.images if axis == 0 else len(self.texts),), -torch.inf, dtype=right.dtype)
        best = best.scatter_reduce(0, self.pairs[:, axis], right, "amax")
        for rows, own_rows, own_texts in self._tiles():
            wrong = rivals(score(rows, slice(None)).cpu(), best[rows, None] if axis == 0 else best, width)
            wrong[own_rows, own_texts] = False
            yield rows, wrong

    def _pair_scores(self, score: ScoreTile) -> Tensor:
        """The score of every matching pair, [P]; what is not a number counts as the worst."""
        parts = []
        for rows, own_rows, own_texts in self._tiles():
            columns, place = torch.unique(own_texts, return_inverse=True)
            parts.append(score(rows, columns).cpu()[own_rows, place])
        scores = torch.cat(parts)
        return scores.masked_fill(scores.isnan(), -torch.inf)

    def _tiles(self) -> list[tuple[slice, Tensor, Tensor]]:
        """Rows of images, and the pairs inside them as row (from the start of the tile) and text."""
        height = max(1, TILE // len(self.texts))
        starts = range(0, self.images, height)
        edges = torch.searchsorted(self.pairs[:, 0].contiguous(), torch.tensor([*starts, self.images])).tolist()
        return [
            (slice(start, start + height), self.pairs[a:b, 0] - start, self.pairs[a:b, 1])
            for start, a, b in zip(starts, edges[:-1], edges[1:], strict=True)
        ]
