"""Runs in which a loss, a gradient or a weight goes wrong, and what they should end with."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from concord.training import AdamW, Cosine, Guard, seed_everything
from tests.training.tiny import TinyModule, tiny_run

NAN = float("nan")


class Poisoned(TinyModule):
    """A module with batch statistics, whose loss is multiplied at some steps."""

    def __init__(self, factors: dict[int, float], dropout: float = 0.5) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(dropout), nn.Linear(16, 1))
        self.factors = factors
        self.last_terms: dict[str, Tensor] = {}

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        good = self.net(batch).square().mean()
        bad = good * self.factors.get(self.global_step + 1, 1.0)
        self.last_terms = {"good": good.detach(), "bad": bad.detach()}
        self.losses.append(float(bad.detach()))
        self.log("loss", bad.detach())
        return bad


def guarded(folder: Path, module: TinyModule, max_steps: int = 12, callbacks: tuple[L.Callback, ...] = (), **policy: Any) -> L.Trainer:
    settings = {"resume": policy.pop("resume", False), "every_n_steps": policy.pop("every_n_steps", 5)}
    return tiny_run(folder, max_steps, [Guard(**policy), *callbacks], module=module, **settings)[0]


def by_hand(module: Poisoned, max_steps: int, skipped: tuple[int, ...] = (), back: dict[int, int] | None = None) -> Poisoned:
    """What `guarded` does, as a plain loop; the steps `skipped` are not made, and `back` leads from a bad step to an earlier one."""
    optimizer = AdamW(lr=1e-2).build(module)
    schedule = Cosine(warmup=0.1).build(optimizer, max_steps)
    seed_everything(0, 0)
    kept: dict[int, Any] = {}
    module.train()
    for step in range(1, max_steps + 1):
        batch = torch.randn(8, 4, generator=torch.Generator().manual_seed(step - 1))
        if step in skipped or step in (back or {}):
            copy.deepcopy(module.net)(batch)  # draws the same random numbers, and leaves no trace
            if back:
                module.load_state_dict(kept[back[step]][0])
                rates = [group["lr"] for group in optimizer.param_groups]
                optimizer.load_state_dict(kept[back[step]][1])
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate
        else:
            optimizer.zero_grad()
            module.net(batch).square().mean().backward()
            optimizer.step()
        schedule.step()
        kept[step] = copy.deepcopy((module.state_dict(), optimizer.state_dict()))
    return module


def same(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return all(torch.equal(one[name], other[name]) for name in one)


def fresh(factors: dict[int, float], dropout: float = 0.5) -> Poisoned:
    torch.manual_seed(3)
    return Poisoned(factors, dropout)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "guard.jsonl").read_text().splitlines()]


class BadGradient(TinyModule):
    """The loss is finite and its gradient is not, at one step: the root of 0 that `where` drops has slope infinity times 0."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        answer = self.net(batch)
        if self.global_step + 1 == self.step:
            answer = torch.where(answer * 0 > 0, (answer * 0).sqrt(), answer)
        loss = answer.square().mean()
        self.losses.append(float(loss.detach()))
        return loss
