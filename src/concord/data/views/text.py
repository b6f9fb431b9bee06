"""The text views of a pair: which of its captions are read, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from concord.data.stages import stage
from concord.data.views.drawing import check_recipes, generator
from concord.data.views.policy import CaptionChoice, CaptionPolicy, positions
from concord.data.views.sentences import draw_sentences
from concord.perturbations import swap_words
from concord.tokenizers import Tokenizer
from concord.types import Pair, TextView, Tokens

RECIPES = ("caption", "sentence", "swapped")
LONG = "long"
"""The role of captions that sentences are taken from, where an example has them."""


class TextViews:
    """Makes the text views of pairs; what it makes is a pure function of (seed, epoch, index).

    Args:
        views: what to make, by name. "caption" reads the caption that the policy chooses; with a count above one, draw v reads
            the v-th after it that the policy allows, round and round. "swapped" starts from the same caption. "sentence" takes
            sentences of the example's captions of role "long", and where it has none of the same caption.
        tokenizer: captions to tokens, padded to the longest of the batch.
        policy: which caption of several a visit reads; see `CaptionChoice`.
        seed: of all draws.

    Raises:
        ConfigError: when a view asks for a recipe that is not there, and for a policy with weights that are none.
    """

    def __init__(self, views: Mapping[str, TextView], tokenizer: Tokenizer, policy: CaptionPolicy = "random", seed: int = 0) -> None:
        check_recipes(views, RECIPES, "there is no text recipe")
        self.views = dict(views)
        self.tokenizer = tokenizer
        self.choose = CaptionChoice(policy, seed)
        self.seed = seed

    def draw(self, pair: Pair, epoch: int, index: int) -> tuple[dict[str, list[str]], dict[str, list[bool]]]:
        """Of each view its V texts; and of negatives, whether each is real.

        Raises:
            BadSample: when no caption has a role that the policy reads.
        """
        captions = pair.captions
        first = self.choose(captions, epoch, index, pair.key)
        base = captions[first]
        texts: dict[str, list[str]] = {}
        valid: dict[str, list[bool]] = {}
        for name, view in self.views.items():
            rng = generator(self.seed, epoch, index, f"text {name}")
            if view.recipe == "caption":
                texts[name] = [captions[position] for position in self.choose.several(captions, first, view.count)]
            elif view.recipe == "sentence":
                long = [captions[position] for position in positions(captions, (LONG,))]
                texts[name] = draw_sentences(long or [base], view.count, rng)
            else:
                swapped = [swap_words(base, rng) for _ in range(view.count)]
                texts[name] = [text if text is not None else base for text in swapped]
                valid[name] = [text is not None for text in swapped]
        return texts, valid

    def collate(self, rows: Sequence[Mapping[str, Sequence[str]]]) -> dict[str, Tokens]:
        """The texts of B pairs as tokens, by view: [B, L], or [B, V, L] where V is above one."""
        with stage("tokenise"):
            return {name: self._tokens([row[name] for row in rows]) for name in self.views}

    def _tokens(self, texts: Sequence[Sequence[str]]) -> Tokens:
        tokens = self.tokenizer([text for draws in texts for text in draws])
        if len(texts[0]) == 1:
            return tokens
        shape = (len(texts), len(texts[0]), -1)
        return Tokens(tokens.ids.view(shape), tokens.mask.view(shape))


def collate_flags(rows: Sequence[Sequence[bool]]) -> Tensor:
    """bool [B], or [B, V] where V is above one."""
    flags = torch.tensor(rows)
    return flags[:, 0] if len(rows[0]) == 1 else flags
