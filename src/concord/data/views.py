"""From a pair to the views that the objectives ask for, and from B pairs to a batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from concord.data.augment import Augmentation
from concord.data.source import BadSample
from concord.data.text_views import draw_sentence, swap_words
from concord.errors import ConfigError, DataError, nearest
from concord.images import Preprocess, decode
from concord.tokenizers import Tokenizer
from concord.types import Batch, ImageView, Pair, TextView, Tokens

CaptionPolicy = Literal["first", "random"]
TEXT_RECIPES = ("caption", "sentence", "swapped")


def generator(seed: int, epoch: int, index: int, purpose: str) -> Random:
    """The randomness of one purpose at one visit of an example; a text seed is hashed, so that neighbours are unrelated."""
    return Random(f"{seed}/{epoch}/{index}/{purpose}")


@dataclass(frozen=True)
class Example:
    """One pair's views: images [V, C, H, W] as a list, V texts, and of negatives whether each is real."""

    key: str
    source: str
    images: dict[str, list[Tensor]]
    texts: dict[str, list[str]]
    valid: dict[str, list[bool]]


class Views:
    """Makes the views of pairs. What it makes of a pair is a pure function of (seed, epoch, index).

    Args:
        image_views, text_views: what to make, by name.
        augmentation: recipes by name.
        preprocess: gives the image size, and the view of recipes that do not crop.
        tokenizer: captions to tokens, padded to the longest.
        caption_policy: which caption of several the view "caption" reads: the first, or a random one. With a count above
            one, draw v reads the v-th after it, round and round. "sentence" and "swapped" start from the same caption.
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
        _check_recipes(image_views, augmentation, "data.augmentation has no recipe")
        _check_recipes(text_views, TEXT_RECIPES, "there is no text recipe")
        self.image_views = dict(image_views)
        self.text_views = dict(text_views)
        self.preprocess = preprocess
        self.tokenizer = tokenizer
        self.caption_policy = caption_policy
        self.seed = seed
        self.recipes = {name: augmentation[view.recipe] for name, view in image_views.items()}
        self.sizes = {name: recipe.output_size(preprocess.image_size, size_multiple) for name, recipe in self.recipes.items()}

    def example(self, pair: Pair, epoch: int, index: int) -> Example:
        """The views of one pair.

        Raises:
            BadSample: when it has no caption, or its image cannot be decoded.
        """
        if not pair.captions:
            raise BadSample("no caption", pair.key)
        texts, valid = self._texts(pair, epoch, index)
        return Example(pair.key, pair.source, self._images(pair, epoch, index), texts, valid)

    def _images(self, pair: Pair, epoch: int, index: int) -> dict[str, list[Tensor]]:
        try:
            picture = decode(pair.image, self.preprocess.max_pixels, self.preprocess.background)
        except DataError as error:
            raise BadSample("image cannot be decoded", pair.key, str(error)) from None
        return {name: self._draws(name, picture, generator(self.seed, epoch, index, name)) for name in self.image_views}

    def _draws(self, name: str, picture: Image.Image, rng: Random) -> list[Tensor]:
        recipe, size = self.recipes[name], self.sizes[name]
        return [recipe(picture, size, self.preprocess, rng) for _ in range(self.image_views[name].count)]

    def _texts(self, pair: Pair, epoch: int, index: int) -> tuple[dict[str, list[str]], dict[str, list[bool]]]:
        rng = generator(self.seed, epoch, index, "caption")
        first = 0 if self.caption_policy == "first" else rng.randrange(len(pair.captions))
        base = pair.captions[first]
        texts: dict[str, list[str]] = {}
        valid: dict[str, list[bool]] = {}
        for name, view in self.text_views.items():
            rng = generator(self.seed, epoch, index, f"text {name}")
            if view.recipe == "caption":
                texts[name] = [pair.captions[(first + draw) % len(pair.captions)] for draw in range(view.count)]
            elif view.recipe == "sentence":
                texts[name] = [draw_sentence(base, rng) for _ in range(view.count)]
            else:
                swapped = [swap_words(base, rng) for _ in range(view.count)]
                texts[name] = [text if text is not None else base for text in swapped]
                valid[name] = [text is not None for text in swapped]
        return texts, valid

    def collate(self, examples: Sequence[Example]) -> Batch:
        """B examples as one batch; captions are tokenised and padded together, view by view."""
        return Batch(
            keys=[example.key for example in examples],
            images={name: _images([example.images[name] for example in examples]) for name in self.image_views},
            texts={name: self._tokens([example.texts[name] for example in examples]) for name in self.text_views},
            valid={name: _flags([example.valid[name] for example in examples]) for name in examples[0].valid},
            sources=[example.source for example in examples],
        )

    def _tokens(self, texts: Sequence[Sequence[str]]) -> Tokens:
        tokens = self.tokenizer([text for draws in texts for text in draws])
        if len(texts[0]) == 1:
            return tokens
        shape = (len(texts), len(texts[0]), -1)
        return Tokens(tokens.ids.view(shape), tokens.mask.view(shape))


def _images(rows: Sequence[Sequence[Tensor]]) -> Tensor:
    stacked = torch.stack([draw for draws in rows for draw in draws])
    return stacked if len(rows[0]) == 1 else stacked.view(len(rows), len(rows[0]), *stacked.shape[1:])


def _flags(rows: Sequence[Sequence[bool]]) -> Tensor:
    flags = torch.tensor(rows)
    return flags[:, 0] if len(rows[0]) == 1 else flags


def _check_recipes(views: Mapping[str, ImageView | TextView], known: Collection[str], complaint: str) -> None:
    for name, view in views.items():
        if view.recipe not in known:
            raise ConfigError(f"{complaint} {view.recipe!r}, which view {name!r} asks for; {nearest(view.recipe, known)}")
        if view.count < 1:
            raise ConfigError(f"view {name!r} must have a count of at least 1, got {view.count}")
