"""Intervals against theory, chance levels against counting."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest

from concord.benchmarks.statistics import (
    bootstrap,
    class_mean_of,
    mean_of,
    median_of,
    median_rank_by_chance,
    percentile_interval,
    recall_by_chance,
    share_interval,
)


def test_interval_of_a_mean_agrees_with_the_normal_approximation() -> None:
    correct = np.arange(2000) % 10 < 3
    samples = bootstrap(mean_of(correct), 2000, 4000, np.random.default_rng(0))[:, 0]
    half = 1.96 * math.sqrt(0.3 * 0.7 / 2000)
    low, high = percentile_interval(samples)
    assert samples.mean() == pytest.approx(0.3, abs=0.001)
    assert low == pytest.approx(0.3 - half, abs=0.1 * half)
    assert high == pytest.approx(0.3 + half, abs=0.1 * half)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        correct = rng.random(200) < 0.4
        low, high = percentile_interval(bootstrap(mean_of(correct), 200, 200, rng)[:, 0])
        covered += low <= 0.4 <= high
    assert 0.90 <= covered / 300 <= 0.99


def test_examples_of_one_unit_widen_the_interval() -> None:
    units = np.repeat(np.arange(200), 5)
    correct = (units % 2).astype(float)
    alone = percentile_interval(bootstrap(mean_of(correct), 1000, 2000, np.random.default_rng(0))[:, 0])
    together = percentile_interval(bootstrap(mean_of(correct), 1000, 2000, np.random.default_rng(0), units)[:, 0])
    # Five copies of each answer: as sure as 200 answers, not 1000.
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(math.sqrt(5), rel=0.1)


def test_units_of_unequal_size_are_drawn_whole() -> None:
    units = np.array([0, 0, 0, 1])
    samples = bootstrap(mean_of(np.array([1.0, 1.0, 1.0, 0.0])), 4, 500, np.random.default_rng(0), units)[:, 0]
    assert set(samples.tolist()) == {0.0, 0.75, 1.0}


def test_strata_keep_their_size() -> None:
    labels = np.array([1, 0, 1, 0, 1])
    samples = bootstrap(
        lambda weights: np.array([weights[labels == 0].sum(), weights.sum()]), 5, 200, np.random.default_rng(0), strata=labels
    )
    assert (samples == [2, 5]).all()


def test_units_and_strata_together_are_refused() -> None:
    with pytest.raises(ValueError, match="units and strata"):
        bootstrap(mean_of([1.0]), 1, 1, np.random.default_rng(0), np.zeros(1, dtype=int), np.zeros(1, dtype=int))


def test_mean_per_class() -> None:
    mean = class_mean_of([1, 1, 0, 1], np.array([0, 0, 0, 1]))
    assert mean(np.ones(4))[0] == pytest.approx((2 / 3 + 1) / 2)
    assert mean(np.array([0, 1, 1, 0.0]))[0] == 0.5  # class 1 was not drawn
    assert class_mean_of(np.ones(7), np.array([0, 0, 0, 1, 1, 1, 2]))(np.ones(7))[0] == 1.0


@pytest.mark.parametrize("weights", [[1, 1, 1, 1, 1], [0, 3, 1, 0, 1], [5, 0, 0, 0, 0], [0, 0, 2, 2, 0]])
def test_weighted_median_is_that_of_the_repeated_values(weights: list[int]) -> None:
    values = np.array([9.0, 4.0, 7.0, 1.0, 4.0])
    repeated = np.sort(np.repeat(values, weights))
    assert median_of(values)(np.array(weights, dtype=float))[0] == repeated[(len(repeated) - 1) // 2]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_unanimous_answers_are_not_certain(share: float) -> None:
    low, high = share_interval(share, np.full(1000, share), 100)
    assert (low, high) == pytest.approx((0.0, 0.036994) if share == 0 else (0.963006, 1.0), abs=1e-6)  # Wilson's, for 100 answers


def test_chance_of_recall_is_that_of_counting_all_orders() -> None:
    for pool, matches, k in itertools.product([5, 6], [1, 2, 3], [1, 2, 5]):
        orders = list(itertools.permutations(range(pool)))
        expected = sum(min(order[:matches]) < k for order in orders) / len(orders)
        assert recall_by_chance(pool, [matches], k) == pytest.approx(expected)


def test_chance_of_recall_averages_over_queries_and_has_known_values() -> None:
    assert recall_by_chance(25_010, [5], 10) == pytest.approx(0.0020, abs=2e-5)
    assert recall_by_chance(5000, [1], 5) == pytest.approx(0.001)
    assert recall_by_chance(10, [1, 1, 10], 1) == pytest.approx((0.1 + 0.1 + 1) / 3)
    assert recall_by_chance(3, [1], 10) == 1.0


def test_chance_of_the_median_rank_is_that_of_random_orders() -> None:
    rng = np.random.default_rng(0)
    ranks = [rng.permutation(100)[:m].min() + 1 for m in (1, 4) for _ in range(20_000)]
    assert median_rank_by_chance(100, [1, 4]) == pytest.approx(np.median(ranks), abs=1)
    assert median_rank_by_chance(101, [1]) == 51
    assert median_rank_by_chance(7, [7]) == 1


def test_bootstrap_repeats_and_is_fast() -> None:
    correct = np.random.default_rng(0).random((5000, 3)) < 0.4
    start = time.process_time()
    first = bootstrap(mean_of(correct), 5000, 1000, np.random.default_rng(5))
    seconds = time.process_time() - start
    assert first.shape == (1000, 3)
    assert (first == bootstrap(mean_of(correct), 5000, 1000, np.random.default_rng(5))).all()
    assert seconds < 2  # 0.04 s as a rule
