"""Grouped aggregation on one process: what a group is, and which groups are refused. Many processes are in test_ranks.py."""

from __future__ import annotations

import re

import pytest
import torch

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.models.similarity import Cosine
from concord.objectives import InfoNCE, Objective, PairwiseSigmoid, Step
from concord.objectives.groups import Block, Groups, possible_groups
from concord.tasks.assemble import check_config
from tests.composing import compose_config
from tests.tiny import rows, tiny_batch, tiny_model

MAKERS = (InfoNCE, PairwiseSigmoid)


def loss(objective: Objective, start: int = 0, stop: int = 12, progress: float = 0.0) -> torch.Tensor:
    model = tiny_model(Cosine(10.0, init_bias=-2.0)).double()
    return objective(Step(model, rows(tiny_batch(12), start, stop), Ranks(), progress=progress)).loss


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("tile", [None, 5])
def test_a_group_of_all_is_the_plain_loss(make: type[InfoNCE | PairwiseSigmoid], tile: int | None) -> None:
    assert torch.equal(loss(make(tile=tile, group=12)), loss(make(tile=tile)))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("tile", [None, 3])
def test_groups_know_nothing_of_one_another(make: type[InfoNCE | PairwiseSigmoid], tile: int | None) -> None:
    """A group for each process is what CLIP is without gathering: the mean of what the processes would say alone."""
    apart = torch.stack([loss(make(), start, start + 4) for start in (0, 4, 8)]).mean()
    torch.testing.assert_close(loss(make(tile=tile, group=4)), apart, rtol=1e-12, atol=0)
    assert (apart - loss(make())).abs() > 0.1


def test_groups_may_grow_late() -> None:
    objective = InfoNCE(group=4, group_until=0.75)
    assert loss(objective, progress=0.7499) == loss(InfoNCE(group=4))
    assert loss(objective, progress=0.75) == loss(objective, progress=1.0) == loss(InfoNCE())


def test_logs_are_the_mean_over_the_groups() -> None:
    model, batch = tiny_model(Cosine()), tiny_batch(12)
    whole = InfoNCE(group=6, same_text="masked")(Step(model, batch, Ranks()))
    parts = [InfoNCE(same_text="masked")(Step(model, rows(batch, start, start + 6), Ranks())) for start in (0, 6)]
    assert whole.logs.keys() == parts[0].logs.keys()
    for name, value in whole.logs.items():
        assert value.item() == pytest.approx(sum(part.logs[name].item() for part in parts) / 2)


def test_blocks_are_whole_groups_of_one_rank() -> None:
    step = Step(tiny_model(Cosine()), tiny_batch(12), Ranks(1, 3))
    assert Groups(6).of(step) == [Block(slice(0, 6), Ranks()), Block(slice(6, 12), Ranks())]
    assert Groups(36).of(step) == Groups().of(step) == [Block(slice(0, 12), Ranks(1, 3))]


def test_possible_groups_divide_the_batch_and_fit_the_ranks() -> None:
    assert possible_groups(12, 4) == [2, 3, 4, 6, 12, 24, 48]
    assert possible_groups(5, 6) == [5, 10, 15, 30]
    assert possible_groups(1, 1) == []


@pytest.mark.parametrize(
    ("group", "way_out"),
    [(5, "use group=4 or group=6"), (18, "use group=12 or group=24"), (36, "use group=24 or group=48"), (96, "use group=48")],
)
def test_refuses_groups_that_do_not_fit(group: int, way_out: str) -> None:
    with pytest.raises(IncompatibleError, match=f"group={group} cuts a batch of 48 pairs, 12 on each of 4 processes.*{way_out}$"):
        Groups(group).check(12, 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": 1}, "group must be at least 2 or null, got 1"),
        ({"group": 2, "group_until": 0.0}, "group_until must lie in (0, 1] or be null, got 0.0"),
        ({"group_until": 0.5}, "group_until=0.5 needs a group"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], message: str) -> None:
    for make in MAKERS:
        with pytest.raises(ValueError, match=re.escape(message)):
            make(**settings)  # type: ignore[arg-type]


def test_refused_before_any_data_is_read_where_the_processes_are_known() -> None:
    overrides = ("data.batch_size=64", "method.objectives.clip.group=24")
    with pytest.raises(IncompatibleError, match=r"^method\.objectives\.clip: group=24 cuts a batch of 64 pairs, 16 on each of 4 processes"):
        check_config(compose_config(*overrides, "trainer.devices=2", "trainer.nodes=2"))
    check_config(compose_config(*overrides, "trainer.devices=auto"))
    check_config(compose_config("data.batch_size=64", "method.objectives.clip.group=32", "trainer.devices=2", "trainer.nodes=2"))
