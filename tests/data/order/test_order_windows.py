from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data import Shuffle, Windows
from tests.data.samples import Grey


class Stored(Grey):
    """Pairs in blocks of these sizes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__(sum(sizes))
        self.block_sizes = list(sizes)


BLOCKS = st.lists(st.integers(0, 30), min_size=1, max_size=20).filter(any)


@settings(max_examples=80, deadline=None)
@given(BLOCKS, st.integers(1, 25), st.text(max_size=5))
def test_every_epoch_of_the_windowed_order_visits_each_example_once(sizes: list[int], blocks: int, key: str) -> None:
    examples = sum(sizes)
    epochs, indices = Windows(blocks).over(Stored(sizes), key)(np.arange(3 * examples))
    for epoch in range(3):
        part = slice(epoch * examples, (epoch + 1) * examples)
        assert set(epochs[part]) == {epoch}
        assert sorted(indices[part]) == list(range(examples))


@settings(max_examples=60, deadline=None)
@given(BLOCKS, st.integers(1, 25), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_any_position_of_the_windowed_order_is_the_same_by_itself(sizes: list[int], blocks: int, positions: list[int]) -> None:
    sampling = Windows(blocks).over(Stored(sizes), "7")
    together = sampling(np.array(positions))
    for place, position in enumerate(positions):
        alone = Windows(blocks).over(Stored(sizes), "7")(np.array([position]))
        assert (alone.epochs[0], alone.indices[0]) == (together.epochs[place], together.indices[place])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(1, 25))
def test_few_blocks_are_open_at_a_time_in_the_windowed_order(sizes: list[int], blocks: int) -> None:
    """A block that was left is not needed again in the epoch, and no more than a window's blocks are in between."""
    block_of = np.repeat(np.arange(len(sizes)), sizes)
    _, indices = Windows(blocks).over(Stored(sizes), "0")(np.arange(sum(sizes)))
    visited = block_of[indices]
    spans = [np.flatnonzero(visited == block)[[0, -1]] for block in range(len(sizes))]
    open_at = [sum(first <= place <= last for first, last in spans) for place in range(len(visited))]
    assert max(open_at) <= blocks


def test_windows_of_the_order_are_of_equal_numbers_of_blocks() -> None:
    """17 blocks in windows of at most 16 are 9 and 8, not 16 and one that nothing mixes with."""
    sampling = Windows(16).over(Stored([100] * 17), "0")
    blocks = sampling(np.arange(1700)).indices // 100
    assert len(set(blocks[:800])) == 8
    assert not set(blocks[:800]) & set(blocks[800:])


def rank_correlation(values: np.ndarray) -> float:
    """Spearman's, of what stands at each place with the place."""
    return float(np.corrcoef(np.arange(len(values)), np.argsort(np.argsort(values)))[0, 1])


@pytest.mark.parametrize(("order", "most"), [(Shuffle(), 0.013), (Windows(16), 0.25)])  # four standard errors of 10^5 and 256 ranks
def test_the_order_in_and_the_order_out_are_unrelated(order: Shuffle | Windows, most: float) -> None:
    sampling = order.over(Stored([390] * 256), "0")
    measured = [rank_correlation(sampling(np.arange(390 * 256) + epoch * 390 * 256).indices) for epoch in range(5)]
    assert max(map(abs, measured)) < most
    assert abs(np.mean(measured)) < most / 2


def test_a_batch_of_the_windowed_order_takes_evenly_from_the_blocks_of_its_window() -> None:
    """Pairs of rows of one batch that come from one block: one in 16, as if the window's blocks were drawn at random."""
    batch, size = 256, 1000
    _, indices = Windows(16).over(Stored([size] * 64), "0")(np.arange(64 * size))
    inside = [indices[start : start + batch] // size for start in range(0, 64 * size - batch, batch)]
    within = [blocks for number, blocks in enumerate(inside) if number * batch // 16_000 == (number * batch + batch - 1) // 16_000]
    together = np.mean([np.sum(np.bincount(row) * (np.bincount(row) - 1)) / (batch * (batch - 1)) for row in within])
    assert together == pytest.approx((size - 1) / (16 * size - 1), rel=0.02)
    assert max(len(set(row)) for row in inside) <= 32


def test_one_block_is_one_window_of_the_order() -> None:
    for source in (Grey(1000), Stored([1000])):
        sampling = Windows(4).over(source, "0")
        assert abs(rank_correlation(sampling(np.arange(1000)).indices)) < 4 / np.sqrt(1000)


def test_windows_need_a_block_for_their_order() -> None:
    with pytest.raises(ValueError, match="blocks must be at least 1, got 0"):
        Windows(0)


def test_other_blocks_are_another_order() -> None:
    settings = Windows(4).over(Stored([10, 20]), "0").settings()
    assert settings == Windows(4).over(Stored([10, 20]), "1").settings()
    assert settings != Windows(4).over(Stored([20, 10]), "0").settings()
    assert Windows(4).settings() == {"order": "windows", "order.blocks": 4}
