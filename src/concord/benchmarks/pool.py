"""Which captions fit which images.

Dimensions: N images, Q captions, U distinct texts among them, P pairs of an image and a distinct text that fits it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from concord.benchmarks.texts import Vocabulary


class Pool:
    """Images and captions that are searched for one another.

    Two captions with the same words are the same text: no model can tell them apart, so a text fits every image that
    carries it, be it as a caption that is not in the pool. Each copy still takes a place of its own among the candidates.

    Args:
        captions: by image, at least one each.
        first: how many captions of each image are in the pool; None for all.

    Attributes:
        images: N.
        texts: the U distinct texts.
        image_of, text_of: [Q] int64, by caption.
        copies: [U] int64, how many captions say the text.
        pairs: [P, 2] int64, image and text that fits it, ordered by image.
    """

    def __init__(self, captions: Sequence[Sequence[str]], first: int | None = None) -> None:
        vocabulary = Vocabulary()
        places = [(image, vocabulary.add(caption)) for image, own in enumerate(captions) for caption in own[:first]]
        self.images = len(captions)
        self.texts = vocabulary.texts
        self.image_of, self.text_of = torch.tensor(places).T
        self.copies = torch.bincount(self.text_of, minlength=len(self.texts))
        found = {(image, vocabulary.find(caption)) for image, own in enumerate(captions) for caption in own}
        self.pairs = torch.tensor(sorted((image, text) for image, text in found if text is not None))

    @property
    def pairs_by_text(self) -> Tensor:
        """The pairs as text and image, ordered by text, [P, 2]."""
        return self.pairs[self.pairs[:, 1].argsort(stable=True)].flip(1)

    def matching_captions(self) -> Tensor:
        """How many captions in the pool fit each image, [N]."""
        image, text = self.pairs.T
        return torch.zeros(self.images, dtype=torch.int64).index_add(0, image, self.copies[text])

    def matching_images(self) -> Tensor:
        """How many images in the pool fit each distinct text, [U]."""
        return torch.bincount(self.pairs[:, 1], minlength=len(self.texts))
