from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from concord.errors import ConcordError
from tests.training.callbacks.guarded_runs import NAN, BadGradient, by_hand, fresh, guarded, lines, same
from tests.training.tiny import TinyModule, tiny_run, weights


def test_a_bad_loss_stops_the_run_before_it_harms_the_weights(tmp_path: Path) -> None:
    module = fresh({4: NAN})
    with pytest.raises(
        ConcordError, match=r"^step 4: the loss is not finite; not finite: terms bad; first the gradient of the output of net\.3; go on"
    ) as caught:
        guarded(tmp_path, module)
    assert "\n" not in str(caught.value)
    assert torch.equal(weights(module), weights(by_hand(fresh({}), 12, skipped=tuple(range(4, 13)))))
    assert [(line["step"], line["policy"], line["not_finite"]) for line in lines(tmp_path)] == [(4, "stop", "terms bad")]


class Break(L.Callback):
    """Makes one weight infinite after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *_: object) -> None:
        if trainer.global_step == self.step:
            with torch.no_grad():
                pl_module.net[3].bias.fill_(float("inf"))


@pytest.mark.parametrize("policy", ["stop", "skip"])
def test_a_bad_parameter_is_named_and_nothing_can_be_skipped_then(tmp_path: Path, policy: str) -> None:
    named = r"^step 4: .*not finite: terms loss, loss/regression, parameters net\.3\.bias; first the output of net\.3; go on"
    with pytest.raises(ConcordError, match=named):
        guarded(tmp_path, TinyModule(), 8, (Break(3),), non_finite=policy)


def test_a_bad_parameter_does_not_reach_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConcordError, match=r"step 6: .*net\.3\.bias"):
        guarded(tmp_path, TinyModule(), 8, (Break(6),), every_n_steps=3)
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3
    assert all(torch.isfinite(tensor).all() for tensor in checkpoint["state_dict"].values())


@pytest.mark.parametrize("policy", ["stop", "skip", "roll_back"])
def test_a_good_run_is_left_alone(tmp_path: Path, policy: str) -> None:
    plain = fresh({})
    tiny_run(tmp_path / "plain", 12, module=plain)
    module = fresh({})
    guarded(tmp_path / "guarded", module, non_finite=policy, spike=policy)
    assert module.losses == plain.losses
    assert same(module, plain)
    assert not (tmp_path / "guarded" / "guard.jsonl").exists()


def test_a_bad_gradient_alone_is_found_and_named(tmp_path: Path) -> None:
    module = BadGradient(4)
    named = r"^step 4: the gradient is not finite; not finite: gradients of net\.0\.weight, .*; first the gradient of the output of net\.3;"
    with pytest.raises(ConcordError, match=named):
        guarded(tmp_path, module)
    assert torch.isfinite(torch.tensor(module.losses)).all()
    assert torch.isfinite(weights(module)).all()


@dataclass
class Named:
    """A batch whose examples have names."""

    keys: list[str]
    values: Tensor


class Twice(nn.Module):
    """Two rows for each example, as of two views; what is above 2 overflows."""

    def forward(self, values: Tensor) -> dict[str, Tensor]:
        return {"rows": torch.where(values > 2, torch.inf, values).repeat_interleave(2, dim=0)}


class Overflowing(TinyModule):
    def __init__(self) -> None:
        super().__init__()
        self.twice = Twice()

    def on_after_batch_transfer(self, batch: Tensor, dataloader_idx: int) -> Named:
        values = batch.clamp(-1, 1)
        if self.global_step + 1 == 3:
            values[[2, 5]] = 3.0
        return Named([f"key{index}" for index in range(8)], values)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.net(self.twice(batch.values)["rows"]).square().mean()


def test_the_first_module_and_its_examples_are_named(tmp_path: Path) -> None:
    named = r"^step 3: the loss is not finite;.* first the output of twice; examples key2, key5; go on"
    with pytest.raises(ConcordError, match=named):
        guarded(tmp_path, Overflowing())
    (line,) = lines(tmp_path)
    assert line["first"] == {"tensor": "the output of twice", "rank": 0, "keys": ["key2", "key5"]}
    assert line["keys"] == [[f"key{index}" for index in range(8)]]
