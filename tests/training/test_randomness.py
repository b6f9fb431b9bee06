from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from concord.distributed import Ranks
from concord.training import RandomStates, preserved_random_state, seed_everything
from concord.training.randomness import random_state, set_random_state
from tests.training.tiny import tiny_run

Draws = tuple[float, float, float, float, float]


def draw() -> Draws:
    return random.random(), random.gauss(0, 1), float(np.random.rand()), float(np.random.randn()), float(torch.rand(()))


def test_same_seed_same_draws_and_another_stream_by_rank() -> None:
    streams = []
    for arguments in ((5,), (5,), (5, 0), (5, 1), (6,)):
        seed_everything(*arguments)
        streams.append(draw())
    assert streams[0] == streams[1]
    assert len(set(streams)) == 4


@pytest.mark.parametrize("earlier_draws", [0, 1, 2])
def test_state_is_put_back_also_between_the_two_of_a_normal_pair(earlier_draws: int) -> None:
    seed_everything(1)
    for _ in range(earlier_draws):
        draw()
    state = random_state()
    expected = [draw() for _ in range(3)]
    seed_everything(99)
    table = {name: torch.stack([torch.zeros_like(tensor), tensor]) for name, tensor in state.items()}
    set_random_state({name: rows[1] for name, rows in table.items()})  # a row of a table, as a checkpoint gives it
    assert [draw() for _ in range(3)] == expected


def fail_after_drawing() -> None:
    with preserved_random_state():
        draw()
        raise KeyError


def test_preserved_random_state_leaves_no_trace_even_after_an_error() -> None:
    seed_everything(2)
    expected = draw()
    seed_everything(2)
    with pytest.raises(KeyError):
        fail_after_drawing()
    assert draw() == expected


def test_checkpoint_holds_the_states_of_every_rank_as_tensors(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=2)
    states = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["random_states"]
    assert {name: tuple(state.shape[:1]) for name, state in states.items()} == dict.fromkeys(("python", "numpy", "normals", "torch"), (1,))


def test_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        RandomStates(-1)


class _Strategy:
    root_device = torch.device("cpu")


class _Trainer:
    strategy = _Strategy()
    global_step = 0


def begin(rank: int, world: int, monkeypatch: pytest.MonkeyPatch, checkpoint: dict[str, Any] | None = None, step: int = 0) -> RandomStates:
    """A rank at its first batch, fresh or resumed after some draws of its own."""
    monkeypatch.setattr(Ranks, "current", staticmethod(lambda: Ranks(rank, world)))
    callback, trainer = RandomStates(seed=3), _Trainer()
    trainer.global_step = step
    if checkpoint is not None:
        callback.on_load_checkpoint(trainer, None, checkpoint)  # type: ignore[arg-type]
    callback.on_train_start(trainer, None)  # type: ignore[arg-type]
    draw()
    callback.on_train_batch_start(trainer, None, None, 0)  # type: ignore[arg-type]
    return callback


def test_two_ranks_have_their_own_streams_and_get_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    states, expected = [], []
    for rank in (0, 1):
        begin(rank, 2, monkeypatch)
        draw()
        states.append(random_state())
        expected.append(draw())
    gathered = {"random_states": {name: torch.stack([state[name] for state in states]) for name in states[0]}}
    assert expected[0] != expected[1]
    for rank in (1, 0):
        begin(rank, 2, monkeypatch, gathered, step=1)
        assert draw() == expected[rank]
    # With another number of processes nobody's stream can go on: new ones begin, the same ones every time.
    restarted = []
    for rank in (0, 1, 2, 0):
        begin(rank, 3, monkeypatch, gathered, step=1)
        restarted.append(draw())
    assert restarted[0] == restarted[3]
    assert len({*restarted, *expected}) == 5
