from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data import Shuffle, TrainingOrder
from concord.data.order import LengthPool, Visits
from concord.errors import ConfigError
from tests.data.samples import Grey


def lengths(visits: Visits) -> np.ndarray:
    """Lengths with many ties, another at every visit."""
    return (visits.indices * 7 + visits.epochs) % 11


def made(size: int, batch_size: int, examples: int = 50, key: str = "0", rank: int = 0, world: int = 1) -> TrainingOrder:
    sampling = Shuffle().over(Grey(examples), key)
    return TrainingOrder(sampling, examples, batch_size, rank, world, LengthPool(sampling, lengths, size, batch_size, key))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(2, 6), st.integers(0, 5), st.text(max_size=5))
def test_every_position_of_a_pool_is_in_one_batch_of_the_order(batch_size: int, batches: int, pool: int, key: str) -> None:
    size = batch_size * batches
    order = made(size, batch_size, key=key)
    visits = [order.rows(start) for start in range(pool * size, (pool + 1) * size, batch_size)]
    epochs, indices = order.sampling(np.arange(pool * size, (pool + 1) * size))
    assert sorted(visit for batch in visits for visit in batch) == sorted(zip(epochs.tolist(), indices.tolist(), strict=True))
    measured = [lengths(Visits(*np.array(batch).T)) for batch in visits]
    spans = sorted((int(batch.min()), int(batch.max())) for batch in measured)
    assert all(longest <= shortest for (_, longest), (shortest, _) in itertools.pairwise(spans))  # no two overlap


def test_any_batch_of_the_pooled_order_is_reached_without_those_before_it() -> None:
    walked = [made(20, 5).rows(start) for start in range(0, 100, 5)]
    used = made(20, 5)
    assert [used.rows(start) for start in (95, 0, 35)] == [walked[19], walked[0], walked[7]]


def test_the_batches_of_a_pool_do_not_come_in_the_order_of_their_lengths() -> None:
    order = made(1000, 10, examples=1000)
    means = [np.mean(lengths(Visits(*np.array(order.rows(start)).T))) for start in range(0, 1000, 10)]
    assert abs(np.corrcoef(means, np.arange(100))[0, 1]) < 0.4
    assert max(means) - min(means) == 10  # from the shortest to the longest


def test_ranks_together_see_the_pooled_order() -> None:
    for start in range(0, 60, 6):
        parts = [made(18, 6, rank=rank, world=3).rows(start) for rank in range(3)]
        assert [visit for part in parts for visit in part] == made(18, 6).rows(start)


def test_replacements_in_the_pooled_order_come_from_the_pools_that_follow() -> None:
    order = made(10, 5, examples=50)
    for start in range(0, 30, 5):
        pool = start // 10
        following = {order.rows(place)[row] for place in (10 * pool + 10, 10 * pool + 15) for row in range(5)}
        assert len({next(order.replacements(start, row)) for row in range(5)} & following) == 5


@pytest.mark.parametrize("size", [0, 8, 12, 20])
def test_pools_that_batches_do_not_fill_are_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=f"data.length_pool must be a multiple of data.batch_size 8 and at least twice it, got {size}"):
        made(size, 8)
