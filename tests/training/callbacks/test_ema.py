from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from concord.errors import CheckpointError
from concord.training import EMA, Checkpoints
from concord.training.callbacks.ema import averageable, averages_of
from tests.training.test_resume import Crash, Stop
from tests.training.tiny import TinyModule, tiny_run


class Tiny(TinyModule):
    """Its model has a frozen layer and running statistics, and it remembers its weights after every step."""

    def __init__(self, frozen: bool = True, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)).to(dtype)
        self.net = self.model  # type: ignore[assignment]
        self.model[0].requires_grad_(not frozen)
        self.seen: list[dict[str, Tensor]] = []

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return super().training_step(batch.to(self.model[0].weight.dtype), batch_idx)


class Watch(L.Callback):
    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        pl_module.seen.append({name: tensor.detach().clone() for name, tensor in averageable(pl_module).items()})

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *_: object) -> None:
        pl_module.seen.append({name: tensor.detach().clone() for name, tensor in averageable(pl_module).items()})


@pytest.mark.parametrize("warmup", [False, True])
def test_the_average_is_that_of_its_definition(tmp_path: Path, warmup: bool) -> None:
    module, ema = Tiny(dtype=torch.float64), EMA(decay=0.3, warmup=warmup)
    tiny_run(tmp_path, max_steps=5, callbacks=[ema, Watch()], module=module)
    decays = [min(0.3, (1 + n) / (10 + n)) if warmup else 0.3 for n in range(5)]
    assert ema.weights.keys() == {"1.weight", "1.bias", "2.weight", "2.bias", "1.running_mean", "1.running_var"}
    for name, average in ema.weights.items():
        # a_5 = sum over steps of w_i times what is left of it: (1 - d_i) d_(i+1) ... d_5, and all of them of w_0
        left = [torch.tensor(decays[i:], dtype=torch.float64).prod() for i in range(6)]
        shares = [left[0]] + [(1 - decays[i - 1]) * left[i] for i in range(1, 6)]
        assert float(sum(shares)) == pytest.approx(1)
        expected = sum(share * weights[name] for share, weights in zip(shares, module.seen, strict=True))
        torch.testing.assert_close(average, expected, rtol=1e-12, atol=1e-12)


def test_it_goes_first_counts_steps_and_not_batches_and_leaves_training_alone(tmp_path: Path) -> None:
    module, alone, ema = Tiny(), Tiny(), EMA()
    alone.load_state_dict(module.state_dict())
    trainer, _ = tiny_run(tmp_path / "a", max_steps=4, accumulate=3, callbacks=[Watch(), ema], module=module)
    tiny_run(tmp_path / "b", max_steps=4, accumulate=3, module=alone)
    assert trainer.callbacks[0] is ema  # type: ignore[attr-defined]
    assert averages_of(trainer) is ema.weights
    assert ema.steps == 4
    assert torch.equal(module.model[2].weight, alone.model[2].weight)


def test_it_resumes_exactly(tmp_path: Path) -> None:
    undisturbed, resumed = EMA(decay=0.5), EMA(decay=0.5)
    start = Tiny().state_dict()

    def run(folder: Path, *callbacks: L.Callback, resume: bool = False) -> None:
        module = Tiny()
        module.load_state_dict(start)
        tiny_run(folder, max_steps=8, every_n_steps=2, callbacks=callbacks, module=module, resume=resume)

    run(tmp_path / "a", undisturbed)
    with pytest.raises(Crash):
        run(tmp_path / "b", EMA(decay=0.5), Stop(4))
    run(tmp_path / "b", resumed, resume=True)
    assert resumed.steps == undisturbed.steps == 8
    assert all(torch.equal(resumed.weights[name], undisturbed.weights[name]) for name in undisturbed.weights)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=2, callbacks=[EMA(), Checkpoints(2)], module=Tiny())
    path = tmp_path / "checkpoints" / "last.ckpt"
    saved = torch.load(path, weights_only=True)
    del saved["averaged_weights"]["2.bias"]
    torch.save(saved, path)
    with pytest.raises(CheckpointError, match=r"averaged weights .* do not fit the model at 2\.bias"):
        tiny_run(tmp_path, max_steps=4, callbacks=[EMA()], module=Tiny(), resume=True)


def test_a_run_may_begin_to_average_when_it_is_resumed(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=2, module=Tiny(), every_n_steps=2)
    ema = EMA()
    tiny_run(tmp_path, max_steps=4, callbacks=[ema], module=Tiny(), resume=True)
    assert ema.steps == 2


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\)"):
        EMA(decay=1.0)
