"""Comparing two models on the same examples: paired intervals, exact tests, correction for many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from concord.benchmarks.comparison import compare_answers, holm, mcnemar
from concord.benchmarks.records import Answers
from concord.errors import DataError


def answers(
    values: np.ndarray | list[float], units: np.ndarray | None = None, name: str = "zero_shot/d/top1", keys: list[str] | None = None
) -> Answers:
    array = np.asarray(values, dtype=np.float64)
    keys = [f"k{row}" for row in range(len(array))] if keys is None else keys
    return Answers(name, keys, np.arange(len(array)) if units is None else units, array)


def one(a: Answers, b: Answers):  # type: ignore[no-untyped-def]
    return compare_answers({a.name: a}, {b.name: b}, resamples=2000)[0]


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not() -> None:
    rng = np.random.default_rng(0)
    base = (rng.random(500) < 0.5).astype(float)
    better = np.where(rng.random(500) < 0.15, 1.0, base)
    found = one(answers(base), answers(better))
    assert found.difference == pytest.approx(better.mean() - base.mean())
    assert found.low > 0
    assert found.p < 1e-6
    shuffled = base.copy()
    swapped = rng.permutation(500)[:60]
    shuffled[swapped] = 1 - shuffled[swapped]
    luck = one(answers(base), answers(shuffled))
    assert luck.low < luck.difference < luck.high


def test_the_interval_is_that_of_the_paired_difference() -> None:
    rng = np.random.default_rng(1)
    a = rng.random(400)
    b = a + 0.1 + 0.05 * rng.standard_normal(400)
    found = one(answers(a), answers(b))
    half = 1.96 * (b - a).std() / np.sqrt(400)
    assert found.low == pytest.approx((b - a).mean() - half, abs=0.002)
    assert found.high == pytest.approx((b - a).mean() + half, abs=0.002)
    assert found.mcnemar_p is None
    assert found.p == found.bootstrap_p


def test_examples_that_share_a_unit_do_not_make_it_surer() -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.random(60) < 0.5).astype(float), (rng.random(60) < 0.65).astype(float)
    alone = one(answers(a), answers(b))
    fivefold = one(answers(np.repeat(a, 5), np.repeat(np.arange(60), 5)), answers(np.repeat(b, 5), np.repeat(np.arange(60), 5)))
    assert fivefold.high - fivefold.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert (fivefold.n, fivefold.units, fivefold.mcnemar_p) == (300, 60, None)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (3, 9), (9, 3), (0, 5), (40, 41)])
def test_mcnemar_is_the_exact_binomial_test(only_a: int, only_b: int) -> None:
    n = only_a + only_b
    expected = min(1.0, 2 * binom.cdf(min(only_a, only_b), n, 0.5)) if n else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_correction_spans_all_numbers_that_were_compared() -> None:
    rng = np.random.default_rng(3)
    a = {f"n{i}": answers((rng.random(100) < 0.5).astype(float), name=f"n{i}") for i in range(4)}
    b = {name: answers((rng.random(100) < 0.6).astype(float), name=name) for name in a}
    found = compare_answers(a, b, resamples=1000)
    assert [c.adjusted_p for c in found] == pytest.approx(holm([c.p for c in found]))
    assert [c.name for c in found] == list(a)


def test_the_order_of_the_examples_does_not_matter() -> None:
    a, b = answers([1, 0, 1, 0, 1]), answers([1, 1, 1, 0, 0])
    turned = answers(b.values[::-1], keys=list(reversed(b.keys)))
    assert one(a, turned) == one(a, b)


def test_no_difference_at_all() -> None:
    found = one(answers([1, 0, 1]), answers([1, 0, 1]))
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="no measured number in common"):
        compare_answers({"x": answers([1])}, {"y": answers([1])})
    with pytest.raises(DataError, match="different examples"):
        one(answers([1, 0]), answers([1, 0], keys=["k0", "other"]))
    with pytest.raises(DataError, match="same questions in the same order"):
        one(answers([1, 0, 1], keys=["a", "a", "b"]), answers([1, 0, 1], keys=["a", "b", "a"]))
    with pytest.raises(ValueError, match="at least 1000"):
        compare_answers({}, {}, resamples=10)
