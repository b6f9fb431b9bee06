from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.source import BadSample
from concord.data.views.policy import CaptionPolicy
from concord.data.views.text import TextViews, collate_flags
from concord.errors import ConfigError
from concord.tokenizers import BPETokenizer
from concord.types import Caption, Pair, TextView

PAIR = Pair(
    b"",
    (
        Caption("a red star above a blue ring", "original"),
        Caption("The star is large and red. A small ring is below it. All is green.", "long"),
        Caption("stars!", "rewrite"),
        Caption("the ring is thin", "rewrite"),
    ),
    "k",
)
Make = Callable[..., TextViews]


@pytest.fixture
def make(tokenizer: BPETokenizer) -> Make:
    def make(policy: CaptionPolicy = "random", seed: int = 0, **views: TextView) -> TextViews:
        return TextViews(views or {"caption": TextView("caption")}, tokenizer, policy, seed)

    return make


def test_captions_follow_the_policy(make: Make) -> None:
    def read(policy: CaptionPolicy) -> set[str]:
        return {make(policy).draw(PAIR, epoch, 0)[0]["caption"][0] for epoch in range(30)}

    assert read("first") == {PAIR.captions[0]}
    assert read("random") == read("all") == set(PAIR.captions)
    assert read({"rewrite": 1.0}) == set(PAIR.captions[2:])


def test_several_draws_are_different_captions_that_the_policy_allows(make: Make) -> None:
    all_of_them = make("random", caption=TextView("caption", 4)).draw(PAIR, 0, 0)[0]["caption"]
    assert set(all_of_them) == set(PAIR.captions)
    rewrites = make({"rewrite": 1.0}, caption=TextView("caption", 3)).draw(PAIR, 0, 0)[0]["caption"]
    assert rewrites[0] == rewrites[2] != rewrites[1]
    assert set(rewrites) == set(PAIR.captions[2:])


def test_views_of_one_visit_start_from_one_caption(make: Make) -> None:
    views = make({"original": 1, "rewrite": 2}, seed=1, caption=TextView("caption"), negatives=TextView("swapped"))
    for epoch in range(20):
        texts, valid = views.draw(PAIR, epoch, 0)
        caption, negative = texts["caption"][0], texts["negatives"][0]
        assert sorted(caption.split()) == sorted(negative.split())
        assert valid["negatives"] == [negative != caption]
        assert views.choose(PAIR.captions, epoch, 0) == PAIR.captions.index(caption)


def test_sentences_come_from_the_long_captions(make: Make) -> None:
    sentences = make("first", sentence=TextView("sentence", 3)).draw(PAIR, 0, 0)[0]["sentence"]
    assert sorted(sentences) == ["A small ring is below it.", "All is green.", "The star is large and red."]
    short = Pair(b"", ("One two three. Four five six.", "never read"), "k")
    assert sorted(make("first", sentence=TextView("sentence", 2)).draw(short, 0, 0)[0]["sentence"]) == ["Four five six.", "One two three."]


def test_an_example_without_a_wanted_role_is_bad_by_its_key(make: Make) -> None:
    with pytest.raises(BadSample, match=r"k: no caption of a role in data\.caption_policy"):
        make({"synthetic": 1.0}).draw(PAIR, 0, 0)


def test_tokens_and_flags_have_an_axis_for_several_draws(make: Make) -> None:
    views = make("first", caption=TextView("caption"), sentence=TextView("sentence", 2))
    tokens = views.collate([views.draw(PAIR, 0, index)[0] for index in range(3)])
    assert tokens["caption"].ids.shape[:-1] == (3,)
    assert tokens["sentence"].ids.shape[:-1] == (3, 2)
    assert torch.equal(collate_flags([[True], [False]]), torch.tensor([True, False]))
    assert collate_flags([[True, False]]).shape == (1, 2)


def test_unknown_recipes_are_refused(make: Make) -> None:
    with pytest.raises(ConfigError, match=r"no text recipe 'sentences', which view 'x' asks for; did you mean sentence\?"):
        make(x=TextView("sentences"))


WEIRD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300) | st.sampled_from(
    ["\x00", "\u200b", "\ufeff", "a" * 100_000, ". " * 50_000, "red and blue " * 8_000, "\U0001f600" * 1000, "İ" * 500]
)


@settings(deadline=None)
@given(captions=st.lists(WEIRD, min_size=1, max_size=3), epoch=st.integers(0, 9), index=st.integers(0, 10**9))
def test_any_caption_gives_tokens_as_a_function_of_the_visit(tokenizer: BPETokenizer, captions: list[str], epoch: int, index: int) -> None:
    recipes = {"caption": TextView("caption"), "sentence": TextView("sentence", 2), "negatives": TextView("swapped")}
    views = TextViews(recipes, tokenizer, "random", 1)
    pair = Pair(b"", tuple(captions), "k")
    drawn = views.draw(pair, epoch, index)
    assert drawn == TextViews(recipes, tokenizer, "random", 1).draw(pair, epoch, index)
    for tokens in views.collate([drawn[0]]).values():
        assert tokens.ids.shape[-1] <= tokenizer.context_length
        assert bool(tokens.mask[..., 0].all())
