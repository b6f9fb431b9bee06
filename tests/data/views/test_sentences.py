from __future__ import annotations

import time
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.views.sentences import draw_sentences, long_sentences

REPORT = "Findings: no effusion seen. Normal. The heart is large; lungs are clear!\nNo pneumothorax at all"
SENTENCES = ["Findings: no effusion seen.", "The heart is large;", "lungs are clear!", "No pneumothorax at all"]


def test_a_report_has_its_sentences_of_three_words() -> None:
    assert long_sentences(REPORT) == SENTENCES
    assert long_sentences("a 3.5 cm mass") == ["a 3.5 cm mass"]
    assert long_sentences("Clear. Normal heart.") == []


def test_single_sentences_are_drawn_alike() -> None:
    drawn = Counter(draw_sentences([REPORT], 1, Random(seed))[0] for seed in range(400))
    assert sorted(drawn) == sorted(SENTENCES)
    assert all(70 < count < 130 for count in drawn.values())


def test_none_comes_twice_before_all_came_once() -> None:
    for count in range(1, 10):
        drawn = Counter(draw_sentences([REPORT], count, Random(count)))
        assert drawn.total() == count
        assert max(drawn.values()) == -(-count // 4)
        assert count < 4 or min(drawn[sentence] for sentence in SENTENCES) == count // 4


def test_all_captions_share_the_draw_and_those_without_sentences_stay_whole() -> None:
    assert sorted(draw_sentences(["One two three. Four five six.", "Clear. Normal heart."], 3, Random(0))) == [
        "Clear. Normal heart.",
        "Four five six.",
        "One two three.",
    ]


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=3), st.integers(1, 7), st.integers())
def test_any_text_gives_as_many_parts_of_itself(captions: list[str], count: int, seed: int) -> None:
    drawn = draw_sentences(captions, count, Random(seed))
    assert drawn == draw_sentences(captions, count, Random(seed))
    assert len(drawn) == count
    assert all(any(sentence in caption for caption in captions) for sentence in drawn)


@pytest.mark.parametrize("caption", ["a" + " " * 100_000 + "b", ". " * 50_000, "one two three.\n" * 7_000, "x" * 100_000])
def test_100_000_characters_take_no_time(caption: str) -> None:
    start = time.process_time()
    assert len(draw_sentences([caption], 4, Random(0))) == 4
    assert time.process_time() - start < 1
