from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from concord.errors import ConfigError
from concord.training import Constant, Cosine, Linear, Schedule


def rates(schedule: Schedule, total: int, lr: float = 2.0) -> list[float]:
    """The learning rate that each optimizer step uses."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = schedule.build(optimizer, total)
    used = []
    for _ in range(total):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used


def test_warmup_counts_steps_or_a_share() -> None:
    assert rates(Constant(warmup=4), 6) == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    assert rates(Constant(warmup=0.5), 4) == [1.0, 2.0, 2.0, 2.0]
    assert rates(Constant(warmup=0), 2) == [2.0, 2.0]


def test_linear_and_cosine_by_their_formulas() -> None:
    assert rates(Linear(warmup=0), 4) == [2.0, 1.5, 1.0, 0.5]
    assert rates(Linear(warmup=0, final=0.5), 4) == [2.0, 1.75, 1.5, 1.25]
    expected = [2.0 * 0.5 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert rates(Cosine(warmup=2), 10)[2:] == pytest.approx(expected)


@given(
    kind=st.sampled_from([Cosine, Linear]),
    warmup=st.one_of(st.integers(0, 50), st.floats(0, 0.99)),
    total=st.integers(51, 500),
    final=st.floats(0, 1),
)
def test_rises_then_falls_within_its_bounds(kind: type[Cosine | Linear], warmup: int | float, total: int, final: float) -> None:
    schedule = kind(warmup=warmup, final=final)
    if schedule.warmup_steps(total) >= total:
        return
    factors = [schedule.factor(step, total) for step in range(total + 3)]
    peak = schedule.warmup_steps(total)
    assert factors[peak] == pytest.approx(1.0)
    assert all(a <= b + 1e-12 for a, b in pairwise(factors[: peak + 1]))
    assert all(a >= b - 1e-12 for a, b in pairwise(factors[peak:]))
    assert factors[-1] == pytest.approx(final)
    assert all(0 <= factor <= 1 for factor in factors)


def test_state_is_plain_and_a_restored_one_goes_on() -> None:
    whole = rates(Cosine(warmup=3), 12)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = Cosine(warmup=3).build(optimizer, 12)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    states = optimizer.state_dict(), scheduler.state_dict()
    other = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    resumed = Cosine(warmup=3).build(other, 12)
    other.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    used = []
    for _ in range(7):
        used.append(other.param_groups[0]["lr"])
        other.step()
        resumed.step()
    assert used == whole[5:]


@pytest.mark.parametrize(("settings", "message"), [({"warmup": -1}, "warmup"), ({"warmup": 1.0}, "warmup"), ({"final": 1.5}, "final")])
def test_wrong_values_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cosine(**settings)


def test_a_warmup_as_long_as_the_run_is_refused() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    with pytest.raises(ConfigError, match=r"schedule\.warmup is 10 steps and the run has 10"):
        Constant(warmup=10).build(optimizer, 10)
