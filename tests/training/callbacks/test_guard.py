from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from concord.errors import ConcordError
from concord.training import StopOnNonFinite
from tests.training.tiny import TinyModule, tiny_run, weights


def test_a_bad_loss_stops_the_run_before_it_harms_the_weights(tmp_path: Path) -> None:
    class Poisoned(TinyModule):
        def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
            good = self.net(batch).square().mean()
            bad = good * (float("nan") if self.poison_at == self.global_step + 1 else 1.0)
            self.last_terms = {"good": good.detach(), "bad": bad.detach()}
            return good + bad

    module = Poisoned(poison_at=4)
    with pytest.raises(ConcordError, match=r"^step 4: .*not finite: terms bad; go on") as caught:
        tiny_run(tmp_path, max_steps=8, module=module, callbacks=[StopOnNonFinite()])
    assert "\n" not in str(caught.value)
    assert torch.isfinite(weights(module)).all()


class Break(L.Callback):
    """Makes one weight infinite after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *_: object) -> None:
        if trainer.global_step == self.step:
            with torch.no_grad():
                pl_module.net[3].bias.fill_(float("inf"))


def test_a_bad_parameter_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConcordError, match=r"^step 4: .*not finite: terms loss, loss/regression, parameters net\.3\.bias; go on"):
        tiny_run(tmp_path, max_steps=8, callbacks=[StopOnNonFinite(), Break(3)])


def test_a_bad_parameter_does_not_reach_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ConcordError, match=r"step 6: .*net\.3\.bias"):
        tiny_run(tmp_path, max_steps=8, every_n_steps=3, callbacks=[StopOnNonFinite(), Break(6)])
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 3
    assert all(torch.isfinite(tensor).all() for tensor in checkpoint["state_dict"].values())


def test_a_good_run_is_left_alone(tmp_path: Path) -> None:
    _, plain = tiny_run(tmp_path / "plain", max_steps=6)
    _, guarded = tiny_run(tmp_path / "guarded", max_steps=6, callbacks=[StopOnNonFinite()])
    assert guarded.losses == plain.losses


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_verdict_comes_one_step_later_and_before_any_checkpoint(tmp_path: Path) -> None:
    for every_n_steps in (4, 100):
        folder = tmp_path / str(every_n_steps)
        module = TinyModule(poison_at=4)
        with pytest.raises(ConcordError, match="step 4"):
            tiny_run(folder, 8, [StopOnNonFinite()], every_n_steps, module=module, accelerator="gpu")
        assert not (folder / "checkpoints" / "last.ckpt").exists()
