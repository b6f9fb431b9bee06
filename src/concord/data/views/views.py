"""From a pair to its views, and from the views of B pairs to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from concord.data.source import NO_CAPTION, BadSample
from concord.data.views.augment import Augmentation
from concord.data.views.drawing import generator
from concord.data.views.groups import collate_groups, groups_of
from concord.data.views.image import ImageViews
from concord.data.views.policy import CaptionPolicy
from concord.data.views.text import TextViews, collate_flags
from concord.images import Preprocess
from concord.tokenizers import Tokenizer
from concord.types import VIEW_POSITIONS, Batch, ImageView, Pair, TextView

HIDDEN = 0.1
"""Share of the visits that do not tell a picture's view position, so that models with a view embedding know pictures without."""


@dataclass(frozen=True)
class Example:
    """One pair's views: images [V, C, H, W] as a list, V texts, of negatives whether each is real, what each belongs to, and the
    place of its view position in `VIEW_POSITIONS`."""

    key: str
    source: str
    images: dict[str, list[Tensor]]
    texts: dict[str, list[str]]
    valid: dict[str, list[bool]]
    groups: dict[str, list[int]]
    view_position: int


class Views:
    """Makes the views of pairs. What it makes of a pair is a pure function of (seed, epoch, index).

    Args:
        image_views, text_views: what to make, by name.
        augmentation: recipes by name.
        preprocess: gives the image size, and the view of recipes that do not crop.
        tokenizer: captions to tokens, padded to the longest.
        caption_policy: which caption of several is read; see `CaptionChoice`.
        seed: of all draws.
        size_multiple: sides of local crops are multiples of this, such as the patch size.

    Raises:
        ConfigError: when a view asks for a recipe that is not there.
    """

    def __init__(
        self,
        image_views: Mapping[str, ImageView],
        text_views: Mapping[str, TextView],
        augmentation: Mapping[str, Augmentation],
        preprocess: Preprocess,
        tokenizer: Tokenizer,
        caption_policy: CaptionPolicy = "random",
        seed: int = 0,
        size_multiple: int = 1,
    ) -> None:
        self.images = ImageViews(image_views, augmentation, preprocess, seed, size_multiple)
        self.texts = TextViews(text_views, tokenizer, caption_policy, seed)
        self.seed = seed

    def example(self, pair: Pair, epoch: int, index: int) -> Example:
        """The views of one pair.

        Raises:
            BadSample: when it has no caption that the policy reads, or its image cannot be decoded.
        """
        if not pair.captions:
            raise BadSample(NO_CAPTION, pair.key)
        texts, valid = self.texts.draw(pair, epoch, index)
        images = self.images.draw(pair, epoch, index)
        return Example(pair.key, pair.source, images, texts, valid, groups_of(pair, texts), self._view_position(pair, epoch, index))

    def collate(self, examples: Sequence[Example]) -> Batch:
        """B examples as one batch; captions are tokenised and padded together, view by view."""
        return Batch(
            keys=[example.key for example in examples],
            images=self.images.collate([example.images for example in examples]),
            texts=self.texts.collate([example.texts for example in examples]),
            valid={name: collate_flags([example.valid[name] for example in examples]) for name in examples[0].valid},
            sources=[example.source for example in examples],
            groups={name: collate_groups([example.groups[name] for example in examples]) for name in examples[0].groups},
            view_positions=torch.tensor([example.view_position for example in examples]),
        )

    def _view_position(self, pair: Pair, epoch: int, index: int) -> int:
        """What metadata say as `view`; 0, unknown, for pictures without, for words that are none, and now and then for any."""
        said = pair.metadata.get("view")
        if said not in VIEW_POSITIONS[1:] or generator(self.seed, epoch, index, "view position").random() < HIDDEN:
            return 0
        return VIEW_POSITIONS.index(said)
