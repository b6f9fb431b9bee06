from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data import Permutation, TrainingOrder
from concord.errors import ConfigError


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 3000), st.text(max_size=10))
def test_a_permutation_takes_every_place_once(size: int, key: str) -> None:
    shuffled = Permutation(size, key)(np.arange(size))
    assert np.array_equal(np.sort(shuffled), np.arange(size))


def test_a_part_of_a_permutation_is_the_same_by_itself() -> None:
    permutation = Permutation(10**12, "k")
    positions = np.array([0, 5, 10**12 - 1, 999_999])
    assert [int(permutation(positions[i : i + 1])[0]) for i in range(4)] == permutation(positions).tolist()


def test_permutations_of_few_are_as_likely_each() -> None:
    """Chi-square over the 24 orders of four things, for 4,800 keys: 23 degrees of freedom, 99.99% below 58."""
    seen: dict[tuple[int, ...], int] = {}
    for key in range(4800):
        order = tuple(Permutation(4, str(key))(np.arange(4)).tolist())
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 24
    assert sum((count - 200) ** 2 / 200 for count in seen.values()) < 58


def test_places_before_and_after_are_unrelated() -> None:
    size = 100_000
    for key in ("0/0", "0/1", "1/0"):
        shuffled = Permutation(size, key)(np.arange(size))
        assert abs(np.corrcoef(np.arange(size), shuffled)[0, 1]) < 4 / np.sqrt(size)  # four standard errors
        assert abs(np.corrcoef(shuffled[:-1], shuffled[1:])[0, 1]) < 4 / np.sqrt(size)  # neighbours part
    first, second = (Permutation(size, key)(np.arange(size)) for key in ("0/0", "0/1"))
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(size)


ORDERS = st.integers(1, 12).flatmap(lambda batch: st.tuples(st.integers(batch, 200), st.just(batch), st.integers(0, 2**40)))


@settings(max_examples=60, deadline=None)
@given(ORDERS, st.integers(0, 5))
def test_every_epoch_visits_each_kept_example_once(sizes: tuple[int, int, int], epoch: int) -> None:
    examples, batch_size, seed = sizes
    order = TrainingOrder(examples, batch_size, seed)
    start = epoch * order.batches_per_epoch
    visits = [order.rows(start + place) for place in range(order.batches_per_epoch)]
    indices = [index for _, rows in visits for index in rows]
    assert {visited for visited, _ in visits} == {epoch}
    assert len(set(indices)) == len(indices) == examples // batch_size * batch_size
    assert 0 <= min(indices) <= max(indices) < examples


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 100), st.integers(0, 1000))
def test_the_ranks_together_see_the_global_batch(world: int, per_rank: int, batch: int, seed: int) -> None:
    whole = TrainingOrder(60, world * per_rank, seed).rows(batch)
    parts = [TrainingOrder(60, world * per_rank, seed, rank, world).rows(batch) for rank in range(world)]
    assert {epoch for epoch, _ in parts} == {whole[0]}
    assert [index for _, indices in parts for index in indices] == whole[1]
    assert all(len(indices) == per_rank for _, indices in parts)


def test_what_is_left_out_changes_from_epoch_to_epoch() -> None:
    order = TrainingOrder(10, 8, seed=0)
    left_out = {frozenset(range(10)) - frozenset(order.rows(epoch)[1]) for epoch in range(12)}
    assert len(left_out) > 6


def test_any_batch_is_reached_without_those_before_it() -> None:
    fresh, used = TrainingOrder(100, 7, 3), TrainingOrder(100, 7, 3)
    walked = [used.rows(batch) for batch in range(60)]
    assert [fresh.rows(batch) for batch in (59, 0, 31)] == [walked[59], walked[0], walked[31]]


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="batch_size 128 is larger than the data, which hold 100 examples"):
        TrainingOrder(100, 128, 0)
    with pytest.raises(ConfigError, match="batch_size 10 does not divide among 3 processes; choose a multiple of 3"):
        TrainingOrder(100, 10, 0, 0, 3)
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        TrainingOrder(100, 0, 0)
