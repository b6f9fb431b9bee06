"""Which captions fit which images.

Dimensions: N images, Q captions, U texts among them, P pairs of an image and a text that fits it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks.retrieval.matching import Matches
from concord.benchmarks.texts import Vocabulary

Duplicates = Literal["shared", "separate"]


@dataclass(frozen=True)
class Pool:
    """Images and captions that are searched for one another.

    Attributes:
        images: N.
        texts: U of them.
        image_of, text_of: [Q] int64, by caption.
        copies: [U] int64, how many captions say the text.
        pairs: [P, 2] int64, image and text that fits it, ordered by image and then by text.
    """

    images: int
    texts: list[str]
    image_of: Tensor
    text_of: Tensor
    copies: Tensor
    pairs: Tensor

    @staticmethod
    def of(
        captions: Sequence[Sequence[str]],
        first: int | None = None,
        duplicates: Duplicates = "shared",
        labels: Sequence[Hashable] | None = None,
    ) -> Pool:
        """The pool of some images.

        Args:
            captions: by image, at least one each.
            first: how many captions of each image are in the pool; None for all.
            duplicates: what two captions with the same words are. "shared": one text, for no model can tell them apart. It
                fits every image that carries it, be it as a caption that is not in the pool, and each copy takes a place of
                its own among the candidates. "separate": texts of their own, each of which fits its own image only.
            labels: by image; a text then fits all images of the same label as one that carries it.
        """
        own = [list(texts[:first]) for texts in captions]
        image_of = torch.arange(len(own)).repeat_interleave(torch.tensor([len(texts) for texts in own]))
        if duplicates == "separate":
            texts = [text for some in own for text in some]
            text_of = torch.arange(len(texts))
            fits = torch.stack([image_of, text_of], dim=1)
        else:
            vocabulary = Vocabulary()
            text_of = torch.tensor([place for some in own for place in vocabulary.add_all(some)])
            texts = vocabulary.texts
            found = {(image, vocabulary.find(text)) for image, every in enumerate(captions) for text in every}
            fits = torch.tensor(sorted((image, text) for image, text in found if text is not None))
        pairs = fits if labels is None else _by_label(fits, labels)
        return Pool(len(own), texts, image_of, text_of, torch.bincount(text_of, minlength=len(texts)), pairs)

    def matches(self) -> Matches:
        """What is right, of images and texts."""
        return Matches(self.pairs, self.images, len(self.texts), column_copies=self.copies)

    def part(self, start: int, end: int) -> tuple[Pool, Tensor]:
        """The pool of some neighbouring images, and the places of its texts among all of them."""
        inside = (self.image_of >= start) & (self.image_of < end)
        kept, text_of = map(torch.from_numpy, np.unique(self.text_of[inside].numpy(), return_inverse=True))
        place = torch.full((len(self.texts),), -1).scatter(0, kept, torch.arange(len(kept)))
        image, text = self.pairs[(self.pairs[:, 0] >= start) & (self.pairs[:, 0] < end)].T
        pairs = torch.stack([image - start, place[text]], dim=1)[place[text] >= 0]
        texts = [self.texts[text] for text in kept.tolist()]
        return Pool(end - start, texts, self.image_of[inside] - start, text_of, torch.bincount(text_of), pairs), kept


def _by_label(fits: Tensor, labels: Sequence[Hashable]) -> Tensor:
    """Each image with every text of its label, ordered by image."""
    numbers: dict[Hashable, int] = {}
    label_of = torch.tensor([numbers.setdefault(label, len(numbers)) for label in labels])
    texts_of = [torch.from_numpy(np.unique(fits[label_of[fits[:, 0]] == label, 1].numpy())) for label in range(len(numbers))]
    return torch.cat([torch.cartesian_prod(torch.tensor([image]), texts_of[label]) for image, label in enumerate(label_of.tolist())])
