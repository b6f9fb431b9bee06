"""Captions by language, and cut or mixed up."""

from __future__ import annotations

from random import Random

import pytest

from concord.benchmarks.retrieval.captions import Variant, by_language, controlled, first_sentence, last_words, shuffled_sentences
from concord.errors import DataError
from concord.sentences import split_sentences
from concord.types import Caption, Pair
from tests.benchmarks.benchmark_fakes import picture


def pair(key: str, *captions: str) -> Pair:
    return Pair(picture(0), captions, key)


def test_sentences_end_at_stops_and_at_line_breaks() -> None:
    assert split_sentences(" One thing.  Two (2.5) things!\nThree things") == ["One thing.", "Two (2.5) things!", "Three things"]
    assert split_sentences("一只狗。两只猫。") == ["一只狗。", "两只猫。"]
    assert split_sentences("  ") == []


def test_parts_of_a_caption() -> None:
    rng = Random(0)
    text = "A dog runs. " + " ".join(f"word{i}" for i in range(70)) + "."
    assert first_sentence(text, rng) == "A dog runs."
    assert first_sentence(" ", rng) == " "
    assert last_words(text, rng).split() == text.split()[-60:]
    assert last_words("a dog", rng) == "a dog"


def test_shuffled_sentences_are_the_same_ones_in_another_order() -> None:
    text = "One. Two. Three."
    for seed in range(20):
        mixed = shuffled_sentences(text, Random(seed))
        assert mixed != text
        assert sorted(mixed.split()) == sorted(text.split())
    assert shuffled_sentences("Only one sentence", Random(0)) == "Only one sentence"
    assert shuffled_sentences("Same. Same.", Random(0)) == "Same. Same."


def test_a_control_depends_on_the_text_and_the_seed_alone() -> None:
    texts = [f"One {i}. Two {i}. Three {i}. Four {i}." for i in range(20)]
    whole = controlled(Variant("", [0], [texts]), "shuffled_sentences", 1).captions[0]
    assert controlled(Variant("", [0], [texts[7:8]]), "shuffled_sentences", 1).captions[0] == whole[7:8]
    assert controlled(Variant("", [0], [texts]), "shuffled_sentences", 2).captions[0] != whole


def test_each_language_has_the_images_that_have_it() -> None:
    german, english = Caption("ein Hund", "de"), Caption("a dog", "en")
    found = by_language([pair("a", english, german), pair("b", english), pair("c", german)], "xm")
    assert [(each.name, each.rows, each.captions) for each in found] == [
        ("de", [0, 2], [["ein Hund"], ["ein Hund"]]),
        ("en", [0, 1], [["a dog"], ["a dog"]]),
    ]


def test_a_caption_without_a_language_is_refused() -> None:
    with pytest.raises(DataError, match="xm, example b: a caption does not say its language; set by_language to false"):
        by_language([pair("a", Caption("ein Hund", "de")), pair("b", "a dog")], "xm")
