"""What places are worth: worked answers, other libraries, and what a random order gets."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score
from torchmetrics.functional.retrieval import retrieval_reciprocal_rank

from concord.benchmarks.retrieval.places import (
    Places,
    average_precision_by_chance,
    precision_by_chance,
    reciprocal_by_chance,
)


def of_order(relevant: list[list[int]]) -> Places:
    """Queries from lists of 1 (right) and 0 (wrong), the best candidate first and without ties."""
    query = np.array([row for row, order in enumerate(relevant) for right in order if right])
    rank = np.array([place for order in relevant for place, right in enumerate(order, 1) if right])
    first = np.array([order.index(1) for order in relevant])
    sizes = np.array([len(order) for order in relevant])
    return Places(query, rank, sizes, first, np.zeros_like(first), np.ones_like(first))


def tied(ahead: int, ties: int, level: int, behind: int = 0) -> Places:
    """One query, whose best right candidates tie with wrong ones."""
    rank = ahead + ties + 1 + np.arange(level)
    numbers = [np.array([number]) for number in (ahead + ties + level + behind, ahead, ties, level)]
    return Places(np.zeros(level, dtype=np.int64), rank, *numbers)


def test_worked_answers() -> None:
    places = of_order([[1, 0, 1, 1]])  # three right: of the best three, the first and the third
    assert places.precision()[0] == pytest.approx(2 / 3)
    assert places.average_precision()[0] == pytest.approx(5 / 9)
    circo = of_order([[1, 0, 0, 1, 0, 0]])  # two right, at 1 and 4
    assert circo.average_precision(5)[0] == pytest.approx(0.75)
    assert circo.average_precision(1)[0] == 1.0
    assert circo.precision(1)[0] == 1.0
    assert circo.precision(4)[0] == 1.0  # of two that there are, two
    assert circo.reciprocal()[0] == 1.0


def test_the_first_right_candidate_decides_hits_and_reciprocal_rank() -> None:
    places = of_order([[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1]])
    assert [places.hits(k).tolist() for k in (1, 2, 4)] == [[0, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert places.reciprocal().tolist() == [1 / 2, 1, 1 / 4]
    scores = torch.tensor([4.0, 3.0, 2.0, 1.0])
    for order, found in zip([[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1]], places.reciprocal(), strict=True):
        assert retrieval_reciprocal_rank(scores, torch.tensor(order).bool()).item() == pytest.approx(found)


def test_queries_are_taken_in_any_order_and_more_than_once() -> None:
    relevant = [[0, 1, 0, 1], [1, 0, 0, 0], [1, 1, 1, 0]]
    rows = [2, 0, 0, 1]
    taken, again = of_order(relevant).take(rows), of_order([relevant[row] for row in rows])
    for name in ("query", "rank", "pool", "ahead", "tied", "level", "matches"):
        assert getattr(taken, name).tolist() == getattr(again, name).tolist(), name
    both = Places.cat([of_order(relevant[:1]), of_order(relevant[1:])])
    assert both.query.tolist() == of_order(relevant).query.tolist()
    assert both.average_precision().tolist() == of_order(relevant).average_precision().tolist()


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12).filter(any), st.integers(0, 10**6))
def test_ndcg_is_that_of_scikit_learn(grades: list[int], seed: int) -> None:
    scores = np.random.default_rng(seed).permutation(len(grades)) * 1.0
    order = np.argsort(-scores)
    ranks = np.array([place for place, candidate in enumerate(order, 1) if grades[candidate]])
    grade = np.array([grades[candidate] for candidate in order if grades[candidate]], dtype=np.float64)
    one, none = np.array([1]), np.array([0])
    places = Places(np.zeros(len(ranks), dtype=np.int64), ranks, np.array([len(grades)]), none, none, one, grade)
    assert places.ndcg()[0] == pytest.approx(ndcg_score([grades], [scores]))


def every_order(pool: int, right: int) -> Places:
    """One query for each way to put the right candidates among all."""
    rows = [[int(place in chosen) for place in range(pool)] for chosen in itertools.combinations(range(pool), right)]
    return of_order(rows)


@pytest.mark.parametrize(("pool", "right"), [(5, 1), (6, 2), (6, 4), (4, 4)])
@pytest.mark.parametrize("depth", [None, 1, 3, 9])
def test_chance_is_the_mean_over_all_orders(pool: int, right: int, depth: int | None) -> None:
    orders = every_order(pool, right)
    assert reciprocal_by_chance(pool, right) == pytest.approx(orders.reciprocal().mean())
    assert precision_by_chance(pool, right, depth) == pytest.approx(orders.precision(depth).mean())
    assert average_precision_by_chance(pool, right, depth) == pytest.approx(orders.average_precision(depth).mean())


def test_chance_of_ndcg_is_the_mean_over_all_orders() -> None:
    grades = [3.0, 1.0, 0.0, 0.0]
    one, none = np.array([1]), np.array([0])
    found = []
    for order in itertools.permutations(range(4)):
        ranks = np.array([place for place, candidate in enumerate(order, 1) if grades[candidate]])
        grade = np.array([grades[candidate] for candidate in order if grades[candidate]])
        found.append(Places(np.array([0, 0]), ranks, np.array([4]), none, none, one, grade))
    assert found[0].ndcg_by_chance() == pytest.approx(np.mean([places.ndcg() for places in found]))


@pytest.mark.parametrize(("ahead", "ties", "level"), [(0, 3, 1), (2, 2, 2), (1, 0, 1), (0, 4, 3)])
def test_fair_values_are_the_mean_over_all_orders_of_those_that_tie(ahead: int, ties: int, level: int) -> None:
    places = tied(ahead, ties, level, behind=2)
    orders = every_order(ties + level, level)

    def mean(value: Callable[[np.ndarray], np.ndarray]) -> float:
        return float(value(ahead + orders.first).mean())

    assert places.fair_first()[0] == pytest.approx(mean(lambda first: first))
    assert places.fair_reciprocal()[0] == pytest.approx(mean(lambda first: 1 / first))
    for k in range(1, 9):
        assert places.fair_hits(k)[0] == pytest.approx(mean(lambda first, k=k: first <= k))  # type: ignore[misc]


def test_numbers_of_ties() -> None:
    assert Places.cat([tied(0, 3, 1), tied(2, 0, 1)]).ties == 1
