"""SimCLR on a small tower: batch statistics of all ranks, collapse, two processes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from concord.distributed import Ranks
from concord.objectives import SimCLR, Step
from concord.objectives.simclr import GlobalBatchNorm
from tests.objectives.parts import set_up, small_batch, small_model, small_simclr


def rows(dtype: torch.dtype = torch.float64) -> Tensor:
    return 3 + 2 * torch.randn(6, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))


def test_batch_norm_on_one_process_equals_pytorchs() -> None:
    ours, theirs = GlobalBatchNorm(4).double(), nn.BatchNorm1d(4).double()
    x, y = rows().requires_grad_(), rows().requires_grad_()
    weights = torch.arange(24, dtype=torch.float64).view(6, 4)
    for norm, data in ((ours, x), (theirs, y)):
        (norm(data) * weights).sum().backward()
    assert torch.allclose(ours(x), theirs(y), atol=1e-12)
    assert torch.allclose(x.grad, y.grad, atol=1e-12)
    assert torch.allclose(ours.weight.grad, theirs.weight.grad)
    for name, tensor in theirs.state_dict().items():
        assert torch.allclose(ours.state_dict()[name], tensor, atol=1e-12), name
    assert torch.allclose(ours.eval()(x), theirs.eval()(y), atol=1e-12)


def test_batch_norm_keeps_the_type_of_its_input() -> None:
    norm = GlobalBatchNorm(4)
    assert norm(rows().bfloat16()).dtype == torch.bfloat16
    assert norm.running_mean.dtype == torch.float32


def test_one_picture_for_all_costs_ln_2n_minus_1() -> None:
    model, batch = small_model(), small_batch()
    same = batch.images["image"][:1].expand(4, -1, -1, -1).clone()
    batch.images |= {"augmented_a": same, "augmented_b": same}
    terms = set_up(small_simclr(), model)(Step(model, batch, Ranks()))
    assert terms.loss.item() == pytest.approx(math.log(7), rel=1e-4)


def test_views_may_change_places() -> None:
    model, batch, swapped = small_model(), small_batch(), small_batch()
    swapped.images["augmented_a"], swapped.images["augmented_b"] = batch.images["augmented_b"], batch.images["augmented_a"]
    losses = [set_up(small_simclr(), model)(Step(model, each, Ranks())).loss.item() for each in (batch, swapped)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_gradients_reach_tower_and_projector_and_not_the_text() -> None:
    model, objective = small_model(), small_simclr()
    set_up(objective, model)(Step(model, small_batch(), Ranks())).loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in objective.parameters())
    assert model.image.trunk.patch_embed.proj.weight.grad.abs().max() > 0
    assert all(p.grad is None for p in [*model.text.parameters(), *model.image_projection.parameters()])


def test_bf16_stays_finite() -> None:
    model, objective = small_model(), small_simclr()
    with torch.autocast("cpu", torch.bfloat16):
        terms = set_up(objective, model)(Step(model, small_batch(), Ranks()))
    terms.loss.backward()
    assert terms.loss.dtype == torch.float32
    assert torch.isfinite(terms.loss)
    assert all(torch.isfinite(p.grad).all() for p in objective.parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ({"hidden_width": 0}, "hidden_width must be at least 1, got 0"),
        ({"out_width": -1}, "out_width must be at least 1, got -1"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimCLR(**settings)


def test_needs_negatives_and_two_strong_views() -> None:
    assert SimCLR.needs_negatives
    assert {name: view.recipe for name, view in SimCLR().image_views.items()} == {"augmented_a": "strong", "augmented_b": "strong"}
