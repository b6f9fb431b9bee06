"""Looking at data: every number against one that is known beforehand, whatever the number of workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from concord.data import Augmentation, BadSample, Mixture, Views
from concord.data.filters import CaptionLength, Filtered
from concord.data.inspection import Looker, Survey, draw_gallery, look_through, summarise
from concord.data.inspection.numbers import histogram, spread
from concord.images import Preprocess, decode
from concord.tokenizers import BPETokenizer
from concord.types import Caption, ImageView, Pair, TextView
from tests.data.samples import Grey, encode


class Listed:
    name = "listed"

    def __init__(self, *pairs: Pair | None) -> None:
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
        if (pair := self.pairs[index]) is None:
            raise BadSample("shard ends before the example does", f"cut{index}", "detail")
        return pair


@pytest.fixture
def messy(tmp_path: Path) -> Listed:
    """Seven examples of which four are good."""
    captions = (Caption("a red circle", "original"), Caption("red " * 80, "long"))
    return Listed(
        Pair(encode(1, "JPEG", 20), captions, "wide", "s", {"width": 20, "<b>": "x"}),
        Pair(encode(2, "PNG", 10), ("a red circle",), "a", "s", {"width": 10}),
        Pair(encode(2, "PNG", 10), ("blue square",), "b", "s"),
        Pair(np.zeros((30, 40, 3), np.uint8), ("blue",), "painted", "s"),
        None,
        Pair(b"<html>not found</html>", ("html",), "html", "s"),
        Pair(encode(), (), "silent", "s"),
    )


def survey(source: Any, tokenizer: BPETokenizer, workers: int = 0, indices: Any = None) -> Survey:
    looker = Looker(source, tokenizer, Preprocess())
    look = look_through(looker, range(len(source)) if indices is None else indices, workers, lambda done: None)
    return summarise(source, look, tokenizer.context_length)


def test_numbers_of_a_messy_source(messy: Listed, tokenizer: BPETokenizer) -> None:
    found = survey(messy, tokenizer)
    assert found.source["examples"] == found.source["looked_at"] == 7
    assert found.source["usable"] == found.images["count"] == 4
    assert {cause: (line["count"], line["examples"][0]["key"]) for cause, line in found.bad.items()} == {
        "shard ends before the example does": (1, "cut4"),
        "image cannot be decoded": (1, "html"),
        "no caption": (1, "silent"),
    }
    assert found.images["formats"] == {"PNG": 2, "JPEG": 1, "painted": 1}
    assert found.images["duplicate_share"] == pytest.approx(1 / 4)
    assert found.images["width"]["most"] == 40
    assert found.images["short_side"]["median"] == 15
    assert found.images["bytes"]["most"] == len(encode(1, "JPEG", 20))
    captions = found.captions
    assert (captions["count"], captions["duplicate_share"]) == (5, pytest.approx(1 / 5))
    assert captions["most_repeated"] == [{"text": "a red circle", "count": 2}]
    assert captions["per_image"]["mean"] == pytest.approx(5 / 4)
    assert captions["truncated_share"] == pytest.approx(1 / 5)
    assert {role: (line["count"], line["truncated_share"]) for role, line in captions["by_role"].items()} == {
        "": (3, 0.0),
        "long": (1, 1.0),
        "original": (1, 0.0),
    }
    assert found.fields == {"width": {"share": 0.5, "value": "20"}, "<b>": {"share": 0.25, "value": "x"}}
    lengths = tokenizer.lengths(["a red circle", "red " * 80, "a red circle", "blue square", "blue"])
    assert captions["tokens_kept"] == sum(min(length, tokenizer.context_length) for length in lengths)
    assert captions["tokens"]["most"] == max(lengths) > tokenizer.context_length
    assert [(part["source"], part["images"], part["bad"], part["share_of_training"]) for part in found.parts] == [
        ("s", 4, 0, None),
        ("listed", 0, 3, None),
    ]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(tokenizer: BPETokenizer, workers: int) -> None:
    source = Grey(150, frozenset({3, 99}))
    assert survey(source, tokenizer, workers) == survey(source, tokenizer)


def test_a_subset_speaks_for_the_whole(tokenizer: BPETokenizer) -> None:
    source = Grey(100)
    part = survey(source, tokenizer, indices=range(0, 100, 2))
    assert part.source["looked_at"] == 50
    assert part.source["tokens_estimated"] == 2 * part.captions["tokens_kept"]


def test_nothing_usable_gives_numbers_all_the_same(tokenizer: BPETokenizer) -> None:
    found = survey(Listed(None, None), tokenizer)
    assert (found.source["usable"], found.images["width"], found.captions["truncated_share"]) == (0, {}, 0.0)
    assert found.parts[0]["bad"] == 2


def test_sources_of_a_mixture_and_what_their_filters_dropped(tokenizer: BPETokenizer) -> None:
    filtered = Filtered(Grey(30, frozenset({0})), {"words": CaptionLength(), "short": CaptionLength(max=9)})
    mixture = Mixture({"left": filtered, "right": Grey(10, frozenset({4, 5}))}, weights={"left": 3.0, "right": 1.0})
    found = survey(mixture, tokenizer)
    parts = {part["source"]: part for part in found.parts}
    assert (parts["right"]["images"], parts["right"]["bad"], parts["right"]["share_of_training"]) == (8, 2, 0.25)
    assert (parts["left"]["bad"], parts["left"]["share_of_training"]) == (1, 0.75)
    assert found.dropped == {"left: words": 0, "left: short": 20}
    assert parts["left"]["images"] == 30 - 20 - 1


def test_histograms_count_everything_once() -> None:
    rng = np.random.default_rng(0)
    for values in (
        pd.Series([3, 3, 4, 9]),
        pd.Series(rng.normal(size=200)),
        pd.Series([1, 2, 2, 100_000]),
        pd.Series([0, 0, 5000]),
        pd.Series([5]),
    ):
        found = histogram(values)
        assert sum(found["counts"]) == len(values)
        assert len(found["edges"]) == len(found["counts"]) + 1
        assert all(np.diff(found["edges"]) > 0)
    assert histogram(pd.Series([3, 3, 4, 9]))["counts"] == [2, 1, 0, 0, 0, 0, 1]
    skewed = histogram(pd.Series([0.01, 0.02, 0.02, 0.04, 3.0]))
    assert sum(count > 0 for count in skewed["counts"]) == 4
    assert histogram(pd.Series(dtype="int64")) == {"edges": [], "counts": []}
    assert spread(pd.Series([1, 2, 3, 10]))["median"] == 2.5


def test_the_gallery_is_what_training_makes(tokenizer: BPETokenizer, recipes: dict[str, Augmentation]) -> None:
    source = Grey(20, frozenset({1, 2}))
    images = {"image": ImageView("weak"), "crops": ImageView("strong", count=3)}
    texts = {"caption": TextView("caption"), "negatives": TextView("swapped")}
    views = Views(images, texts, recipes, Preprocess(image_size=8), tokenizer, seed=5)
    cards = draw_gallery(source, views, [1, 7, 2, 9, 4], 2)
    assert [card.key for card in cards] == ["7", "9"]
    batch = views.collate([views.example(source[7], epoch=0, index=7)])
    strips = {strip.name: strip for strip in cards[0].strips}
    assert len(strips["crops"].pictures) == 3
    for picture, tensor in zip(strips["crops"].pictures, batch.images["crops"][0], strict=True):
        assert np.array_equal(np.asarray(decode(picture)), tensor.permute(1, 2, 0).numpy())
    caption = strips["caption"]
    assert caption.texts[0] in source[7].captions
    assert caption.tokens == (tokenizer.decode(batch.texts["caption"].ids[0]),)
    assert caption.count == (int(batch.texts["caption"].mask[0].sum()),)
    assert caption.texts[0].startswith(caption.tokens[0][:20])
    assert len(strips["negatives"].real) == 1


def test_large_pictures_are_shown_small(tokenizer: BPETokenizer, recipes: dict[str, Augmentation]) -> None:
    source = Listed(Pair(Image.new("RGB", (900, 300)), ("a red circle",), "large"))
    views = Views({"image": ImageView("weak")}, {"caption": TextView("caption")}, recipes, Preprocess(image_size=224), tokenizer)
    (card,) = draw_gallery(source, views, [0], 5)
    assert decode(card.original).size == (160, 53)
    assert decode(card.strips[0].pictures[0]).size == (224, 224)
    assert card.strips[0].pictures[0].startswith(b"\xff\xd8")
