"""Hard negatives by rule: what is replaced, by what, and what never happens."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.perturbations import CATEGORIES, KINDS, HardNegatives

CAPTIONS = [
    "A man riding a brown horse next to a large tree.",
    "two black cats on a red couch in front of a window",
    "a woman and three dogs above the wooden table",
    "a small horse behind an old couch",
]


def draws(caption: str, kind: str, others: tuple[str, ...] = (), source: list[str] = CAPTIONS) -> set[str]:
    maker = HardNegatives(source)
    return {text for seed in range(40) for text in maker.draw([caption, *others], [kind], Random(seed)).values()}


@pytest.mark.parametrize(
    ("kind", "caption", "expected"),
    [
        (
            "replace_object",
            "a man by a tree",
            {"a woman by a tree", "a man by a couch", "a man by a window"},
        ),
        ("replace_attribute", "a black couch", {"a red couch", "a brown couch"}),
        ("replace_attribute", "a large couch", {"a small couch"}),
        ("replace_number", "Two cats", {"Three cats"}),
        ("replace_number", "one of the cats", set()),
        ("replace_relation", "a cat to the left of a couch", {"a cat to the right of a couch"}),
        ("replace_relation", "a cat beneath a couch", {"a cat above a couch"}),
        ("swap", "a black cat above a red couch", {"a red cat above a black couch", "a red couch above a black cat"}),
        ("shuffle", "a cat", {"cat a"}),
    ],
)
def test_kinds(kind: str, caption: str, expected: set[str]) -> None:
    assert draws(caption, kind) == expected


def test_what_is_added_stands_before_the_full_stop_with_its_article() -> None:
    assert draws("A cat.", "add_object", source=["an apple"]) == {"A cat and an apple."}
    assert draws("a cat", "add_attribute", source=["an orange cat"]) == {"an orange cat"}


def test_nothing_comes_in_that_another_caption_of_the_image_says() -> None:
    assert draws("a tree", "replace_object", ("the couch",)) == {"a window"}
    assert draws("a black couch", "replace_attribute", ("something red",)) == {"a brown couch"}
    assert draws("a cat above a mat", "replace_relation", ("A cat, below a mat",)) == set()


def test_words_come_as_often_as_the_captions_have_them() -> None:
    maker = HardNegatives(["a red cat"] * 9 + ["a green cat"])
    found = [maker.draw(["a blue mat"], ["replace_attribute"], Random(seed))["replace_attribute"] for seed in range(300)]
    assert 0.8 < found.count("a red mat") / 300 < 0.98


def test_nouns_are_what_articles_lead_to() -> None:
    maker = HardNegatives(["a man holding an umbrella", "the dogs run", "a dog runs", "in the background", "a bright red", "a dotted ring"])
    assert set(maker.nouns) == {"man", "umbrella", "ring"}


LEXICON = [word for words in CATEGORIES.values() for word in words.split("|" if "|" in words else " ")]
TEXTS = st.lists(st.sampled_from([*LEXICON, "a", "an", "the", "and", "apple", "Dog", "CT", "with,", "is."]), max_size=10).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS | st.text(max_size=30), min_size=1, max_size=4), st.integers())
def test_negatives_are_never_a_caption_of_the_image(captions: list[str], seed: int) -> None:
    maker = HardNegatives([*captions, *CAPTIONS])
    found = maker.draw(captions, KINDS, Random(seed))
    assert found == maker.draw(captions, KINDS, Random(seed))
    known = {tuple(re.findall(r"\w+", caption.casefold())) for caption in captions}
    for text in found.values():
        assert tuple(re.findall(r"\w+", text.casefold())) not in known
