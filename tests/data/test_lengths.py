from __future__ import annotations

import itertools
from random import Random

import numpy as np
import pytest

from concord.data import Augmentation, WebDataModule
from concord.data.lengths import CaptionLengths
from concord.data.order import Visits
from concord.data.views import TextViews
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, Pair, TextView
from tests.data.samples import WORDS, Grey


class Talkative(Grey):
    """Pairs with two captions each, of very different lengths, some without; counts how often an image is read."""

    def __init__(self, size: int, silent: frozenset[int] = frozenset()) -> None:
        super().__init__(size)
        self.silent = silent
        self.read = 0

    def __getitem__(self, index: int) -> Pair:
        self.read += 1
        return Pair(np.zeros((4, 4, 3), dtype=np.uint8), self.captions(index), self.key(index), self.name)

    def key(self, index: int) -> str:
        return str(index)

    def captions(self, index: int) -> tuple[str, ...]:
        rng = Random(index)
        return tuple(" ".join(rng.choices(WORDS, k=1 + int(40 * rng.random() ** 3))) for _ in range(2)) if index not in self.silent else ()


def test_lengths_for_the_order_are_those_of_the_caption_that_is_read(tokenizer: BPETokenizer) -> None:
    source, texts = Talkative(200, silent=frozenset({0, 50, 199})), TextViews({"caption": TextView("caption")}, tokenizer)
    visits = Visits(np.repeat([0, 3], 100), np.arange(200))
    seen = tokenizer.seen
    found = CaptionLengths(source, texts)(visits)
    assert source.read == 0
    assert tokenizer.seen == seen  # these captions are not counted among those of batches
    for epoch, index, length in zip(*(part.tolist() for part in (*visits, found)), strict=True):
        captions = source.captions(index)
        if not captions:
            assert length == 0
            continue
        drawn, _ = texts.draw(source[index], epoch, index)
        assert length == int(tokenizer(drawn["caption"]).mask.sum())


@pytest.mark.parametrize("workers", [0, 2])
def test_padding_falls_in_the_pooled_order(
    tokenizer: BPETokenizer, preprocess: Preprocess, recipes: dict[str, Augmentation], workers: int
) -> None:
    """Padding as a share of all text positions, over one epoch of 768 pairs; lengths are padded to multiples of 8."""
    padding: dict[int | None, float] = {}
    for pool in (None, 384):
        data = WebDataModule(Talkative(768), recipes, batch_size=16, workers=workers, length_pool=pool)
        data.setup_views({"image": ImageView("plain")}, {"caption": TextView("caption")}, tokenizer, preprocess)
        batches = list(itertools.islice(data.train_dataloader(), 48))
        masks = [batch.texts["caption"].mask for batch in batches]
        padding[pool] = 1 - sum(int(mask.sum()) for mask in masks) / sum(mask.numel() for mask in masks)
        assert {key for batch in batches for key in batch.keys} == set(map(str, range(768)))
    assert padding[None] > 0.6
    assert padding[384] < 0.25
