from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.order import Scattered, Slots, Stratified, largest_remainder

QUOTAS = st.lists(st.integers(1, 40), min_size=1, max_size=7)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=9), st.integers(1, 10**5))
def test_quotas_of_an_order_add_up_and_are_within_one_of_the_shares(weights: list[float], total: int) -> None:
    shares = np.array(weights) / sum(weights)
    quotas = largest_remainder(shares, total)
    assert quotas.sum() == total
    assert (np.abs(quotas - shares * total) < 1 + 1e-6).all()


def check_draws(slots: Slots, quotas: np.ndarray) -> None:
    """Over three rounds, every source's draws are numbered as they come; any position is the same by itself."""
    count = 3 * int(quotas.sum()) * slots.unit
    sources, draws = slots(np.arange(count))
    for source, quota in enumerate(quotas):
        assert draws[sources == source].tolist() == list(range(3 * quota * slots.unit))
    for position in range(0, count, max(1, count // 20)):
        alone = type(slots)(quotas, getattr(slots, "batch_size", slots.unit), slots.key)(np.array([position]))
        assert (int(alone[0][0]), int(alone[1][0])) == (sources[position], draws[position])


@settings(max_examples=50, deadline=None)
@given(QUOTAS, st.integers(1, 5), st.text(max_size=5))
def test_sources_stand_anywhere_in_the_scattered_order(quotas: list[int], unit: int, key: str) -> None:
    slots = Scattered(np.array(quotas), unit, key)
    check_draws(slots, np.array(quotas))
    sources, _ = slots(np.arange(sum(quotas) * unit))
    assert (sources.reshape(-1, unit) == sources[::unit, None]).all()  # a unit is of one source
    assert np.bincount(sources[::unit], minlength=len(quotas)).tolist() == quotas


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=7), st.integers(1, 30), st.integers(1, 12), st.text(max_size=5))
def test_every_batch_of_the_stratified_order_holds_the_shares(weights: list[float], batch_size: int, batches: int, key: str) -> None:
    quotas = largest_remainder(np.array(weights) / sum(weights), batches * batch_size)
    slots = Stratified(quotas, batch_size, key)
    check_draws(slots, quotas)
    sources, _ = slots(np.arange(3 * batches * batch_size))
    counts = np.stack([np.bincount(batch, minlength=len(quotas)) for batch in sources.reshape(-1, batch_size)])
    exact = quotas / batches
    assert (np.floor(exact) <= counts).all()
    assert (counts <= np.ceil(exact)).all()
    assert (counts.reshape(3, batches, -1).sum(axis=1) == quotas).all()


def test_rows_of_a_stratified_order_are_shuffled() -> None:
    sources, _ = Stratified(np.array([500, 500]), 10, "0")(np.arange(1000))
    assert 0.35 < np.mean(sources.reshape(100, 10)[:, 0]) < 0.65
    assert not np.array_equal(sources[:10], np.sort(sources[:10])) or not np.array_equal(sources[10:20], np.sort(sources[10:20]))


def test_the_scattered_order_has_no_runs_beyond_chance() -> None:
    sources, _ = Scattered(np.array([50_000, 50_000]), 1, "0")(np.arange(100_000))
    assert abs(np.corrcoef(sources[:-1], sources[1:])[0, 1]) < 4 / np.sqrt(100_000)
    assert abs(np.corrcoef(sources, np.arange(100_000))[0, 1]) < 4 / np.sqrt(100_000)
