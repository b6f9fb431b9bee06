"""Objectives with heads and state: two processes equal one that holds the global batch, over several steps of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from concord.distributed import Ranks
from concord.objectives import Captioning, Objective, Step
from concord.objectives.simclr import GlobalBatchNorm
from tests.objectives.parts import FixedNoise, set_up, share, small_batch, small_distillation, small_model, small_simclr
from tests.processes import run_on_ranks

CASES: dict[str, Callable[[], Objective]] = {
    "captioning": Captioning,
    "mae": FixedNoise,
    "simclr": small_simclr,
    "self_distillation": small_distillation,
}
STEPS = 3


def train(case: str) -> dict[str, Tensor]:
    """The mean loss and gradients of the last of a few plain gradient steps, and the state of the objective after it."""
    ranks = Ranks.current()
    model = small_model(decoder=case == "captioning")
    objective = set_up(CASES[case](), model).double()
    model.double()
    named = {f"model.{name}": p for name, p in model.named_parameters()} | {f"head.{name}": p for name, p in objective.named_parameters()}
    for number in range(STEPS):
        terms = objective(Step(model, share(small_batch(seed=number), ranks), ranks))
        terms.loss.backward()
        gradients = {name: ranks.mean(p.grad) for name, p in named.items() if p.grad is not None}
        descend(named, gradients)
        objective.after_step(model, number / STEPS)
    state = {f"state.{name}": tensor.detach() for name, tensor in objective.state_dict().items()}
    return {"loss": ranks.mean(terms.loss)} | gradients | state


@torch.no_grad()
def descend(named: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> None:
    for name, gradient in gradients.items():
        named[name] -= 0.1 * gradient
        named[name].grad = None


def normalise() -> dict[str, Tensor]:
    """This rank's rows through batch norm, the gradient of a weighted sum of all outputs, and the running statistics."""
    ranks = Ranks.current()
    count = 6 // ranks.world
    mine = slice(ranks.offset(count), ranks.offset(count) + count)
    everyone = 3 + 2 * torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    norm, x = GlobalBatchNorm(4).double(), everyone[mine].requires_grad_()
    output = norm(x)
    (output * torch.arange(24, dtype=torch.float64).view(6, 4).sin()[mine]).sum().backward()
    assert x.grad is not None
    return {"output": output.detach(), "gradient": x.grad} | norm.state_dict()


def everything() -> dict[str, dict[str, Tensor]]:
    return {case: train(case) for case in CASES} | {"batch_norm": normalise()}


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, Tensor]]:
    return everything()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    return run_on_ranks(everything, 2, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", CASES)
def test_two_processes_equal_one(case: str, alone: dict[str, dict[str, Tensor]], together: list[dict[str, dict[str, Tensor]]]) -> None:
    assert alone[case]["loss"] > 0
    for result in together:
        assert result[case].keys() == alone[case].keys()
        torch.testing.assert_close(result[case], alone[case], rtol=1e-8, atol=1e-10)


def test_the_comparison_covers_heads_and_state(alone: dict[str, dict[str, Tensor]]) -> None:
    counts = small_batch().texts["caption"].mask[:, 1:].sum(dim=1)
    assert counts[:2].sum() != counts[2:].sum()
    assert alone["captioning"]["model.decoder.output.weight"].abs().max() > 0
    assert alone["mae"]["head.decoder.mask_token"].abs().max() > 0
    assert alone["simclr"]["state.projector.1.running_var"].abs().max() > 0
    assert alone["self_distillation"]["state.centre"].abs().max() > 0
    assert alone["self_distillation"]["head.head.prototypes"].abs().max() > 0


def test_batch_norm_is_that_of_the_global_batch(alone: dict[str, dict[str, Tensor]], together: list[dict[str, dict[str, Tensor]]]) -> None:
    expected = alone["batch_norm"]
    for name in ("output", "gradient"):
        parts = torch.cat([result["batch_norm"][name] for result in together])
        torch.testing.assert_close(parts, expected[name], rtol=1e-12, atol=1e-12)
    for result in together:
        torch.testing.assert_close(result["batch_norm"]["running_var"], expected["running_var"], rtol=1e-12, atol=0)
