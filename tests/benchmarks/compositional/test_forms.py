"""Who is right on one question: worked answers, and any scores against a slow recomputation."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.benchmarks.compositional.forms import METRICS, Scores, Verdict, chances, first_win, judge, overlap
from concord.items import Form, Item


def item(form: Form, images: int, texts: int, right: int = 1) -> Item:
    return Item("x", form, tuple(range(images)), tuple(f"text {place}" for place in range(texts)), right)


def same(form: Form, images: int, texts: int, right: int = 1, score: float = 0.3) -> list[Verdict]:
    rows = [[score] * texts] * images
    return judge(item(form, images, texts, right), Scores(rows, rows))


MATCH = item("match", 2, 2)


def test_a_worked_match() -> None:
    rows = [[0.30, 0.29], [0.31, 0.32]]  # by image, by text
    text, image, group = judge(MATCH, Scores(rows, rows))
    assert (text.strict, image.strict, group.strict) == (1, 0, 0)
    assert (text.half, image.half, group.half) == (1, 0, 0)


def test_all_ties_of_a_match_are_halves() -> None:
    verdicts = same("match", 2, 2)
    assert [verdict.strict for verdict in verdicts] == [0, 0, 0]
    assert [verdict.half for verdict in verdicts] == [0.25, 0.25, 0.0625]
    assert all(verdict.tied for verdict in verdicts)
    assert chances(MATCH) == pytest.approx([1 / 4, 1 / 4, 1 / 6])


def test_worked_overlap() -> None:
    assert overlap([0.5, 0.9, 0.8, 0.1, 0.0], 2) == Verdict(1 / 3, 1 / 3, False)  # gold 0 and 1, chosen 1 and 2
    assert overlap([0.9, 0.8, 0.1], 2).strict == 1


FORMS: list[tuple[Form, int, int, int]] = [
    *(("texts", 1, texts, right) for texts, right in ((2, 1), (5, 1), (3, 2))),
    *(("images", images, 1, right) for images, right in ((10, 1), (4, 3))),
    *(("set", images, 1, right) for images, right in ((5, 2), (10, 3))),
]


@pytest.mark.parametrize(("form", "images", "texts", "right"), FORMS)
@pytest.mark.parametrize("score", [0.3, -2.0, 0.0])
def test_a_constant_model_gets_nothing_strictly_and_chance_by_lot(form: Form, images: int, texts: int, right: int, score: float) -> None:
    (verdict,) = same(form, images, texts, right, score)
    assert verdict.tied
    assert verdict.strict == 0
    assert verdict.half == pytest.approx(chances(item(form, images, texts, right))[0])


def test_a_set_with_fewer_wrong_than_right_candidates_gives_a_constant_model_less_than_chance() -> None:
    (verdict,) = same("set", 5, 1, 3)
    assert verdict.strict == pytest.approx(1 / 5)  # two wrong ones are chosen first, then one right one
    assert verdict.strict < verdict.half == pytest.approx(chances(item("set", 5, 1, 3))[0])


@pytest.mark.parametrize("shift", [0.0, -5.0])
def test_an_oracle_is_right_whatever_the_sign(shift: float) -> None:
    rows = (np.eye(3) + shift).tolist()
    assert [verdict.strict for verdict in judge(item("match", 3, 3), Scores(rows, rows))] == [1, 1, 1]
    assert first_win([1 + shift, 0.5 + shift, shift], 2).strict == 1
    assert overlap([1 + shift, 0.5 + shift, shift], 2).strict == 1


def test_scores_that_are_not_numbers_lose() -> None:
    assert first_win([math.nan, 0.0], 1) == Verdict(0, 0, False)
    assert first_win([1.0, math.nan], 1) == Verdict(0, 0, False)
    assert overlap([math.nan, math.nan, 0.0, 1.0], 2).half == 0
    assert first_win([math.inf, 0.0], 1).strict == 1
    assert first_win([math.inf, math.inf], 1) == Verdict(0, 0.5, True)


def test_directions_of_a_match_may_have_scores_of_their_own() -> None:
    right, wrong = [[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]
    assert [verdict.strict for verdict in judge(MATCH, Scores(right, wrong))] == [1, 0, 0]
    assert [verdict.strict for verdict in judge(MATCH, Scores(wrong, right))] == [0, 1, 0]


def test_chance_is_what_random_scores_get() -> None:
    rng = np.random.default_rng(0)
    for asked in (item("match", 2, 2), item("match", 3, 3), item("texts", 1, 3, 2), item("set", 6, 1, 2)):
        draws = 4000
        found = np.zeros(len(METRICS[asked.form]))
        for _ in range(draws):
            rows = rng.random((len(asked.images), len(asked.texts))).tolist()
            found += [verdict.strict for verdict in judge(asked, Scores(rows, rows))]
        expected = np.array(chances(asked))
        assert np.abs(found / draws - expected).max() < 5 * np.sqrt(expected * (1 - expected) / draws).max()


LEVELS = st.integers(-3, 3).map(float)


@given(st.lists(LEVELS, min_size=2, max_size=6), st.data())
def test_a_lot_among_ties_is_the_mean_over_all_orders(scores: list[float], data: st.DataObject) -> None:
    right = data.draw(st.integers(1, len(scores) - 1))
    shuffled = permutations(range(len(scores)))
    orders = [sorted(order, key=lambda place: -scores[place]) for order in shuffled]  # sorting keeps the order of ties
    tops = [set(order[:right]) for order in orders]
    gold = set(range(right))
    assert first_win(scores, right).half == pytest.approx(np.mean([top == gold for top in tops]))
    assert overlap(scores, right).half == pytest.approx(np.mean([len(top & gold) / len(top | gold) for top in tops]))
    assert first_win(scores, right).strict == float(min(scores[:right]) > max(scores[right:]))
    assert overlap(scores, right).strict == pytest.approx(min(len(top & gold) / len(top | gold) for top in tops))


@given(st.integers(1, 5), st.integers(1, 5))
def test_the_chance_of_a_set_is_the_mean_over_all_choices(right: int, wrong: int) -> None:
    gold = set(range(right))
    choices = [set(chosen) for chosen in combinations(range(right + wrong), right)]
    expected = np.mean([len(chosen & gold) / len(chosen | gold) for chosen in choices])
    assert chances(item("set", right + wrong, 1, right))[0] == pytest.approx(expected)


@given(st.integers(2, 4), st.data())
def test_a_match_without_ties_equals_the_first_of_argmax(places: int, data: st.DataObject) -> None:
    """The rule of CLIP_benchmark's caption selection, recomputed in double precision."""
    values = data.draw(st.lists(st.integers(-1000, 1000), min_size=places**2, max_size=places**2, unique=True))
    scores = np.array(values, dtype=np.float64).reshape(places, places) / 1000
    gold = np.arange(places)
    text, image = bool((scores.argmax(axis=1) == gold).all()), bool((scores.argmax(axis=0) == gold).all())
    rows = scores.tolist()
    verdicts = judge(item("match", places, places), Scores(rows, rows))
    assert [verdict.strict for verdict in verdicts] == [text, image, text and image]
    assert not any(verdict.tied for verdict in verdicts)
