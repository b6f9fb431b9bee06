from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical.images.windows import WINDOWS, centre_and_width, ends, stretched, windows
from concord.errors import ConfigError


def test_a_window_reaches_half_its_width_to_either_side() -> None:
    assert ends("lung") == (-1350, 150)
    assert ends("mediastinum") == (-160, 240)
    assert ends("brain") == (0, 80)
    assert ends("whole") == (-1024, 3071)
    assert centre_and_width("-500/1400") == (-500, 1400)


def test_densities_that_everybody_knows() -> None:
    air, fat, water, brain, cortical = -1000.0, -100.0, 0.0, 35.0, 1500.0
    values = np.array([[air, fat, water, brain, cortical]])
    assert stretched(values, windows("brain")).tolist() == [[0, 0, 0, round(35 * 255 / 80), 255]]
    lung = stretched(values, windows("lung"))[0]
    assert (lung[0], lung[4]) == (round(350 * 255 / 1500), 255)
    assert 0 < lung[1] < lung[2] < lung[3] < 255


@given(st.sampled_from(sorted(WINDOWS)), st.lists(st.floats(-4000, 4000), min_size=1, max_size=20))
def test_the_line_is_that_of_float64_and_never_leaves_the_ends(name: str, values: list[float]) -> None:
    low, high = ends(name)
    got = stretched(np.array([values]), windows(name))[0]
    assert got.dtype == np.uint8
    for value, grey in zip(values, got.tolist(), strict=True):
        assert abs(grey - 255 * min(max((value - low) / (high - low), 0), 1)) <= 0.5 + 1e-6


def test_several_windows_become_channels_in_their_order() -> None:
    values = np.linspace(-1500, 2000, 50).reshape(5, 10)
    three = stretched(values, windows(["lung", "mediastinum", "bone"]))
    assert three.shape == (5, 10, 3)
    for channel, name in enumerate(("lung", "mediastinum", "bone")):
        assert np.array_equal(three[..., channel], stretched(values, windows(name)))
    two = stretched(values, windows(["lung", "bone"]))
    assert two.shape == (5, 10, 3)
    assert not two[..., 2].any()
    assert windows(None) == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lungs", "unknown window 'lungs'; did you mean lung"),
        ("40/", "unknown window '40/'"),
        ("40/0", "the width above 0"),
        ("nan/10", "must be finite"),
        ("1/2/3", "unknown window"),
        ([], "must name 1 to 3 windows"),
        (["lung"] * 4, "must name 1 to 3 windows"),
    ],
)
def test_windows_that_are_none(name: str | list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        windows(name)
