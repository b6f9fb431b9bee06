from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data import Resample
from tests.data.samples import Grey


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**9), st.text(max_size=5), st.lists(st.integers(0, 2**60), min_size=1, max_size=20))
def test_any_position_of_the_resampled_order_is_the_same_by_itself(size: int, key: str, positions: list[int]) -> None:
    together = Resample().over(Grey(size), key)(np.array(positions))
    alone = [Resample().over(Grey(size), key)(np.array([position])) for position in positions]
    assert together.indices.tolist() == [int(visits.indices[0]) for visits in alone]
    assert together.epochs.tolist() == positions
    assert 0 <= together.indices.min() <= together.indices.max() < size


def test_the_resampled_order_draws_every_example_as_often() -> None:
    """Chi-square of 100,000 draws from 1,000: 999 degrees of freedom, 99.99% within 999 +- 3.9 standard deviations of 44.7."""
    _, indices = Resample().over(Grey(1000), "0")(np.arange(100_000))
    chi_square = np.sum((np.bincount(indices, minlength=1000) - 100) ** 2 / 100)
    assert abs(chi_square - 999) < 3.9 * 44.7


def test_the_resampled_order_draws_with_replacement_and_without_memory() -> None:
    size = 100_000
    _, indices = Resample().over(Grey(size), "0")(np.arange(size))
    assert abs(np.mean(np.bincount(indices, minlength=size) == 0) - np.exp(-1)) < 0.005  # the share that was not drawn
    assert abs(np.corrcoef(indices[:-1], indices[1:])[0, 1]) < 4 / np.sqrt(size)
    other = Resample().over(Grey(size), "1")(np.arange(size)).indices
    assert abs(np.corrcoef(indices, other)[0, 1]) < 4 / np.sqrt(size)
