from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from concord.training.untouched import untouched


class Counting(nn.Sequential):
    """A module that counts its calls in a plain attribute."""

    calls = 0

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        self.calls = self.calls + 1
        return super().forward(input)


def train(module: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    optimizer.zero_grad()
    module(torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize("before", [0, 2], ids=["fresh", "after two steps"])
@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_steps_inside_change_nothing(before: int, name: str) -> None:
    torch.manual_seed(0)
    module = Counting(nn.Linear(4, 3), nn.BatchNorm1d(3))
    twin = copy.deepcopy(module)
    optimizers = [getattr(torch.optim, name)(one.parameters(), lr=0.1) for one in (module, twin)]
    for one, optimizer in zip((module, twin), optimizers, strict=True):
        for seed in range(before):
            train(one, optimizer, seed)
    with untouched(module, optimizers[:1]):
        train(module, optimizers[0], 7)
        train(module, optimizers[0], 8)
        assert not torch.equal(module[0].weight, twin[0].weight)
    for one, optimizer in zip((module, twin), optimizers, strict=True):
        train(one, optimizer, 9)
    for mine, theirs in zip(module.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    assert module.calls == twin.calls == before + 1


def test_an_error_inside_is_passed_on_and_undone() -> None:
    module = nn.Linear(2, 2)
    weight = module.weight.detach().clone()

    def fail() -> None:
        with untouched(module, []):
            nn.init.zeros_(module.weight)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(module.weight, weight)
