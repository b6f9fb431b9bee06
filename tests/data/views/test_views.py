from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from concord.data import Augmentation, BadSample, Views
from concord.errors import ConfigError
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import VIEW_POSITIONS, Batch, ImageView, Pair, TextView
from tests.data.samples import encode

IMAGES = {
    "image": ImageView("weak"),
    "augmented_a": ImageView("strong"),
    "augmented_b": ImageView("strong"),
    "local": ImageView("local", 3),
}
TEXTS = {"caption": TextView("caption"), "negatives": TextView("swapped"), "sentence": TextView("sentence", 2)}


@pytest.fixture
def make(tokenizer: BPETokenizer, preprocess: Preprocess, recipes: dict[str, Augmentation]) -> Any:
    def make(images: dict[str, ImageView] = IMAGES, texts: dict[str, TextView] = TEXTS, **options: Any) -> Views:
        return Views(images, texts, recipes, preprocess, tokenizer, **options)

    return make


@pytest.fixture
def pairs() -> list[Pair]:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return [
        Pair(image, ("a red circle left of a blue star. it is large and round", "red"), "a", "one"),
        Pair(image, ("green",), "b", "two"),
        Pair(encode(7), ("one small square above two large stars",), "c", "two"),
    ]


def batch_of(views: Views, pairs: list[Pair], epoch: int = 0) -> Batch:
    return views.collate([views.example(pair, epoch, index) for index, pair in enumerate(pairs)])


def test_shapes_of_all_views(make: Any, pairs: list[Pair]) -> None:
    batch = batch_of(make(size_multiple=2), pairs)
    assert batch.keys == ["a", "b", "c"]
    assert batch.sources == ["one", "two", "two"]
    assert {name: tuple(images.shape) for name, images in batch.images.items()} == {
        "image": (3, 3, 8, 8),
        "augmented_a": (3, 3, 8, 8),
        "augmented_b": (3, 3, 8, 8),
        "local": (3, 3, 3, 4, 4),
    }
    assert all(images.dtype == torch.uint8 for images in batch.images.values())
    assert batch.texts["caption"].ids.ndim == 2
    assert batch.texts["sentence"].ids.shape[:2] == (3, 2)
    assert all(tokens.ids.shape == tokens.mask.shape and tokens.ids.shape[-1] % 8 == 0 for tokens in batch.texts.values())
    assert not torch.equal(batch.images["augmented_a"][0], batch.images["augmented_b"][0])
    assert not torch.equal(batch.images["local"][0, 0], batch.images["local"][0, 1])


def test_a_visit_is_a_function_of_seed_epoch_and_index(make: Any, pairs: list[Pair]) -> None:
    def pixels(views: Views, epoch: int, index: int) -> torch.Tensor:
        return views.example(pairs[0], epoch, index).images["image"][0]

    reference = pixels(make(seed=1), 2, 3)
    assert torch.equal(reference, pixels(make(seed=1), 2, 3))
    assert torch.equal(reference, pixels(make({"image": ImageView("weak")}, seed=1), 2, 3))  # whatever the other views
    for seed, epoch, index in ((0, 2, 3), (1, 0, 3), (1, 2, 0)):
        assert not torch.equal(reference, pixels(make(seed=seed), epoch, index))


def test_negatives_come_from_the_caption_that_is_read(make: Any, pairs: list[Pair]) -> None:
    views = make()
    for epoch in range(20):
        texts = views.example(pairs[0], epoch, 0)
        caption, negative = texts.texts["caption"][0], texts.texts["negatives"][0]
        assert (caption == negative) == (not texts.valid["negatives"][0]) == (caption == "red")
        assert sorted(caption.replace(".", "").split()) == sorted(negative.replace(".", "").split())
        assert all(sentence in caption for sentence in texts.texts["sentence"])


def test_valid_says_which_negatives_are_real(make: Any, pairs: list[Pair]) -> None:
    batch = batch_of(make(caption_policy="first"), pairs)
    assert batch.valid["negatives"].tolist() == [True, False, True]
    assert torch.equal(batch.texts["negatives"].ids[1][:3], batch.texts["caption"].ids[1][:3])
    several = batch_of(make(texts={"negatives": TextView("swapped", 2)}, caption_policy="first"), pairs)
    assert several.valid["negatives"].tolist() == [[True, True], [False, False], [True, True]]
    assert "caption" not in batch.valid


def test_caption_policies(make: Any, pairs: list[Pair]) -> None:
    def seen(policy: str) -> set[str]:
        views = make(caption_policy=policy)
        return {views.example(pairs[0], epoch, 0).texts["caption"][0] for epoch in range(20)}

    assert seen("first") == {pairs[0].captions[0]}
    assert seen("random") == set(pairs[0].captions)
    both = make(texts={"caption": TextView("caption", 3)}, caption_policy="random").example(pairs[0], 0, 0).texts["caption"]
    assert len(both) == 3
    assert both[0] == both[2] != both[1]


def test_bad_pairs(make: Any) -> None:
    with pytest.raises(BadSample, match="no caption"):
        make().example(Pair(encode(), (), "k"), 0, 0)
    with pytest.raises(BadSample, match=r"k: image cannot be decoded \(.+\)"):
        make().example(Pair(b"<html>", ("a",), "k"), 0, 0)


def test_view_positions_are_what_metadata_say_and_now_and_then_hidden(make: Any, pairs: list[Pair]) -> None:
    views = make(seed=3)
    said = ["LATERAL", "", "oblique", None, "PA"]
    told = [replace(pairs[0], metadata={} if word is None else {"view": word}) for word in said]

    found = [batch_of(views, told, epoch).view_positions for epoch in range(400)]
    positions = torch.stack([row for row in found if row is not None])

    assert positions.dtype == torch.int64
    assert not positions[:, 1:4].any()
    for place, word in ((0, "LATERAL"), (4, "PA")):
        assert set(positions[:, place].tolist()) == {0, VIEW_POSITIONS.index(word)}  # type: ignore[arg-type]
        assert 0.05 < (positions[:, place] == 0).float().mean() < 0.15
    assert torch.equal(positions[7], batch_of(make(seed=3), told, 7).view_positions)


def test_unknown_recipes_are_refused_with_the_nearest(make: Any) -> None:
    with pytest.raises(ConfigError, match=r"no recipe 'stronk', which view 'x' asks for; did you mean strong\?"):
        make({"x": ImageView("stronk")})
    with pytest.raises(ConfigError, match="no text recipe 'captions'"):
        make(texts={"x": TextView("captions")})
    with pytest.raises(ConfigError, match="count of at least 1, got 0"):
        make({"x": ImageView("weak", 0)})
