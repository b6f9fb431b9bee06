from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data import Permutation, Shuffle, TrainingOrder
from concord.errors import ConfigError
from tests.data.samples import Grey


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


def test_a_batch_of_a_shuffle_takes_from_shards_as_chance_has_it() -> None:
    """Pairs of rows of one batch that come from one of 100 shards: as many as independent draws give."""
    shard, batch, count = 1000, 256, 300
    _, indices = Shuffle().over(Grey(100 * shard), "0")(np.arange(count * batch))
    shards = (indices // shard).reshape(count, batch)
    together = np.mean([np.sum(np.bincount(row) * (np.bincount(row) - 1)) / (batch * (batch - 1)) for row in shards])
    expected = (shard - 1) / (100 * shard - 1)
    assert together == pytest.approx(expected, rel=0.02)


def made(examples: int, batch_size: int, key: str = "0", rank: int = 0, world: int = 1) -> TrainingOrder:
    return TrainingOrder(Shuffle().over(Grey(examples), key), examples, batch_size, rank, world)


SIZES = st.integers(1, 12).flatmap(lambda batch: st.tuples(st.integers(batch, 200), st.just(batch), st.text(max_size=5)))


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 3))
def test_every_epoch_visits_each_example_once_and_nothing_is_dropped(sizes: tuple[int, int, str], epochs: int) -> None:
    examples, batch_size, key = sizes
    order = made(examples, batch_size, key)
    batches = [order.rows(start) for start in range(0, epochs * examples, batch_size)]
    assert {len(batch) for batch in batches} == {batch_size}  # also where an epoch ends
    visits = [visit for batch in batches for visit in batch][: epochs * examples]
    for epoch in range(epochs):
        part = visits[epoch * examples : (epoch + 1) * examples]
        assert sorted(part) == [(epoch, index) for index in range(examples)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 300))
def test_the_order_does_not_depend_on_the_batch_size(one: int, other: int, start: int) -> None:
    """From any place on, batches of one size hold what batches of another size hold."""
    total = one * other
    streams = [[visit for place in range(start, start + total, size) for visit in made(40, size).rows(place)] for size in (one, other)]
    assert streams[0] == streams[1]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 100), st.text(max_size=5))
def test_the_ranks_together_see_the_global_batch(world: int, per_rank: int, start: int, key: str) -> None:
    whole = made(60, world * per_rank, key).rows(start)
    parts = [made(60, world * per_rank, key, rank, world).rows(start) for rank in range(world)]
    assert [visit for part in parts for visit in part] == whole
    assert all(len(part) == per_rank for part in parts)


def test_any_batch_is_reached_without_those_before_it() -> None:
    fresh, used = made(100, 7), made(100, 7)
    walked = [used.rows(7 * batch) for batch in range(60)]
    assert [fresh.rows(7 * batch) for batch in (59, 0, 31)] == [walked[59], walked[0], walked[31]]


def test_replacements_stand_in_the_same_row_of_the_batches_that_follow_in_the_order() -> None:
    order = made(200, 8)
    for row in range(8):
        found = list(itertools.islice(order.replacements(16, row), 5))
        assert found == [order.rows(16 + 8 * later)[row] for later in range(1, 6)]
    pieces = [made(200, 8, rank=rank, world=2) for rank in range(2)]
    assert [next(piece.replacements(16, row)) for piece in pieces for row in range(4)] == order.rows(24)


def test_refused_orders() -> None:
    with pytest.raises(ConfigError, match="batch_size 128 is larger than the data, which hold 100 examples"):
        made(100, 128)
    with pytest.raises(ConfigError, match="batch_size 10 does not divide among 3 processes; choose a multiple of 3"):
        made(100, 10, world=3)
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        made(100, 0)
