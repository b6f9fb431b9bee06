from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn

from concord.distributed import Ranks
from concord.errors import ConcordError, ConfigError
from concord.training import Checkpoints, Guard, RandomStates, make_trainer, seed_everything
from concord.training.spikes import Spikes
from tests.processes import run_on_ranks
from tests.training.callbacks.guarded_runs import NAN, BadGradient, Poisoned, by_hand, fresh, guarded, lines, same
from tests.training.tiny import TinyData, TinyModule, tiny_run, weights


@pytest.mark.parametrize("factor", [NAN, float("inf")])
def test_skipping_leaves_a_run_that_never_saw_the_batch(tmp_path: Path, factor: float) -> None:
    module = fresh({4: factor, 7: factor})
    with pytest.warns(UserWarning, match=r"step 4: the loss is not finite; .*; the step was skipped \(1 of 20\)"):
        trainer = guarded(tmp_path, module, non_finite="skip")
    assert trainer.global_step == 12  # a step that is skipped counts: schedule and data go on
    assert same(module, by_hand(fresh({}), 12, skipped=(4, 7)))


def test_one_bad_batch_of_several_takes_the_whole_step_away(tmp_path: Path) -> None:
    class OneOfTwo(Poisoned):
        def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            return super().training_step(batch, batch_idx) * (NAN if batch_idx == 6 else 1.0)

    torch.manual_seed(3)
    module = OneOfTwo({})
    before: list[Tensor] = []

    class Note(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: object) -> None:
            before.append(torch.cat([weights(pl_module), module.net[1].running_mean]))  # type: ignore[arg-type, list-item]

    with pytest.warns(UserWarning, match=r"step 4: the loss is not finite; first .* net\.3; the step was skipped"):
        tiny_run(tmp_path, 6, [Guard(non_finite="skip"), Note()], 2, module=module, accumulate=2)
    assert [torch.equal(before[index], before[index + 2]) for index in range(1, 10, 2)] == [False, False, True, False, False]


def test_a_bad_gradient_can_be_skipped(tmp_path: Path) -> None:
    module = BadGradient(4)
    with pytest.warns(UserWarning, match="the step was skipped"):
        guarded(tmp_path, module, non_finite="skip")
    assert torch.isfinite(weights(module)).all()
    assert len(module.losses) == 12 + 1  # one more: it was looked for


def test_going_back_is_exact_and_so_is_a_resumed_run(tmp_path: Path) -> None:
    class Stop(L.Callback):
        def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
            if trainer.global_step == 7:
                raise KeyError("killed")

    module = fresh({8: NAN})
    with pytest.warns(UserWarning, match="weights and optimizer are again those after step 5"):
        trainer = guarded(tmp_path / "a", module, 14, non_finite="roll_back")
    assert trainer.global_step == 14
    assert same(module, by_hand(fresh({}), 14, back={8: 5}))
    with pytest.raises(KeyError):
        guarded(tmp_path / "b", fresh({8: NAN}), 14, (Stop(),), non_finite="roll_back")
    resumed = fresh({8: NAN})
    with pytest.warns(UserWarning, match="after step 5"):
        guarded(tmp_path / "b", resumed, 14, non_finite="roll_back", resume=True)
    assert same(resumed, module)


def test_before_any_checkpoint_the_way_back_leads_to_the_start(tmp_path: Path) -> None:
    module = fresh({3: NAN})
    with pytest.warns(UserWarning, match="again those after step 0"):
        guarded(tmp_path, module, 6, non_finite="roll_back", every_n_steps=100)
    start = fresh({})
    (tmp_path / "checkpoints" / "last.ckpt").unlink()
    checkpoint = torch.load(tmp_path / "checkpoints" / "step_000000000.ckpt", weights_only=True)
    assert all(torch.equal(checkpoint["state_dict"][name], value) for name, value in start.state_dict().items())


def test_a_run_resumed_from_the_checkpoint_of_its_start_is_that_run(tmp_path: Path) -> None:
    plain, again = fresh({}), fresh({})
    guarded(tmp_path / "a", plain, 6, non_finite="roll_back", every_n_steps=100)
    folder = tmp_path / "a" / "checkpoints"
    (folder / "last.ckpt").unlink()
    (folder / "step_000000000.ckpt").rename(folder / "last.ckpt")
    guarded(tmp_path / "a", again, 6, non_finite="roll_back", every_n_steps=100, resume=True)
    assert same(plain, again)


def test_going_back_needs_checkpoints(tmp_path: Path) -> None:
    trainer = make_trainer(max_steps=2, accelerator="cpu", folder=tmp_path, callbacks=[Guard(non_finite="roll_back")])
    with pytest.raises(ConfigError, match=r"callbacks\.guard: roll_back needs callbacks\.checkpoints"):
        trainer.fit(TinyModule(), datamodule=TinyData())


def test_there_is_an_end_to_it_also_over_resumptions(tmp_path: Path) -> None:
    factors = dict.fromkeys((2, 3, 8), NAN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        guarded(tmp_path, fresh(factors), 7, non_finite="skip", limit=2)
        with pytest.raises(ConcordError, match=r"^step 8: .*\(2 steps were skipped or led back before\); go on"):
            guarded(tmp_path, fresh(factors), 12, non_finite="skip", limit=2, resume=True)


def test_what_a_spike_is() -> None:
    spikes = Spikes(deviations=3, window=10)
    for loss in (1.0, 1.1, 0.9, 1.0):
        spikes.add(loss)
    assert spikes.limit() == float("inf")
    spikes.add(1.2)
    assert spikes.limit() == pytest.approx(1.0 + 3 * 1.4826 * 0.1)
    flat = Spikes(deviations=3, window=10)
    flat.load([2.0] * 20)
    assert flat.state() == [2.0] * 10
    assert flat.limit() == pytest.approx(2.0 + 3 * 0.01 * 2.0)


def test_spikes(tmp_path: Path) -> None:
    quiet = {"spike_window": 10, "spike_deviations": 50.0}
    warned = fresh({9: 1e4}, dropout=0.0)
    with pytest.warns(UserWarning, match=r"step 9: the loss jumped to .*, above .*; training goes on"):
        guarded(tmp_path / "warn", warned, **quiet)
    plain = fresh({9: 1e4}, dropout=0.0)
    guarded(tmp_path / "ignore", plain, spike="ignore", **quiet)
    assert same(warned, plain)
    with pytest.raises(ConcordError, match="step 9: the loss jumped"):
        guarded(tmp_path / "stop", fresh({9: 1e4}, dropout=0.0), spike="stop", **quiet)
    skipped = fresh({9: 1e4}, dropout=0.0)
    with pytest.warns(UserWarning, match="the step was skipped"):
        guarded(tmp_path / "skip", skipped, spike="skip", **quiet)
    assert same(skipped, by_hand(fresh({}, dropout=0.0), 12, skipped=(9,)))
    assert [line["policy"] for line in lines(tmp_path / "skip")] == ["skip"]


class Late(Guard):
    """Judges gradients as on a GPU: one step later."""

    def _waits(self, device: torch.device) -> bool:
        return False


def test_a_gradient_that_is_judged_late_stops_before_any_checkpoint(tmp_path: Path) -> None:
    for every_n_steps in (4, 100):
        folder = tmp_path / str(every_n_steps)
        with pytest.raises(ConcordError, match=r"^step 4: the gradient is not finite; not finite: gradients of net"):
            tiny_run(folder, 8, [Late()], every_n_steps, module=BadGradient(4))
        assert not (folder / "checkpoints" / "last.ckpt").exists()


def test_a_gradient_that_is_judged_late_leads_back(tmp_path: Path) -> None:
    module = BadGradient(7)
    with pytest.warns(UserWarning, match="step 7: .*; weights and optimizer are again those after step 5"):
        tiny_run(tmp_path, 9, [Late(non_finite="roll_back")], 5, module=module)
    assert torch.isfinite(weights(module)).all()
    assert torch.isfinite(torch.tensor(module.losses)).tolist() == [step != 8 for step in range(1, 10)]


def test_what_the_scaler_of_fp16_skips_is_no_fault(tmp_path: Path) -> None:
    def run(max_steps: int, resume: bool = False) -> tuple[L.Trainer, TinyModule]:
        seed_everything(0)
        module = TinyModule()
        callbacks = [RandomStates(0), Guard(non_finite="skip", spike="ignore"), Checkpoints(every_n_steps=4)]
        trainer = make_trainer(max_steps=12, accelerator="cpu", folder=tmp_path, callbacks=callbacks)
        trainer.fit_loop.epoch_loop.max_steps = max_steps
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=5)
        trainer.strategy.precision_plugin = MixedPrecision("16-mixed", "cpu", scaler)
        last = tmp_path / "checkpoints" / "last.ckpt"
        trainer.fit(module, datamodule=TinyData(), ckpt_path=last if resume else None, weights_only=True)
        return trainer, module

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step")
        trainer, whole = run(12)
        assert trainer.precision_plugin.scaler.get_scale() < 2.0**40  # it has skipped
        run(8)
        resumed_trainer, resumed = run(12, resume=True)
    assert not (tmp_path / "guard.jsonl").exists()
    assert resumed_trainer.precision_plugin.scaler.state_dict() == trainer.precision_plugin.scaler.state_dict()
    assert torch.equal(weights(resumed), weights(whole))


class Unequal(Poisoned):
    """Only the second process has the bad batch; its features go round as in a contrastive loss."""

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        answer = self.net(batch + Ranks.current().rank)
        if self.global_step + 1 == 3 and Ranks.current().rank == 1:
            answer = answer * NAN
        answer = self.head(answer)
        return Ranks.current().gather(answer).square().mean()

    def __init__(self) -> None:
        super().__init__({})
        self.head = nn.Linear(1, 1)


def _on_two(folder: str) -> dict[str, tuple[Tensor, list[str]]]:
    """Lightning joins the processes that are there, as under torchrun."""
    rank = str(Ranks.current().rank)
    os.environ.update(LOCAL_RANK=rank, RANK=rank, GROUP_RANK="0", WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", TORCHELASTIC_RUN_ID="1")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29555")
    found = {}
    for policy in ("skip", "roll_back"):
        torch.manual_seed(3)
        module = Unequal()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            tiny_run(Path(folder) / policy, 6, [Guard(non_finite=policy)], 2, module=module, devices=2, strategy="ddp")
        found[policy] = weights(module), [str(warning.message) for warning in caught if "step 3" in str(warning.message)]
    return found


def test_two_processes_agree_when_one_has_the_bad_batch(tmp_path: Path) -> None:
    one, other = run_on_ranks(_on_two, 2, tmp_path, str(tmp_path))
    for policy in ("skip", "roll_back"):
        (first, (told,)), (second, silent) = one[policy], other[policy]
        assert torch.isfinite(first).all()
        assert torch.equal(first, second)
        assert "first the output of head" in told
        assert silent == []
        (line,) = lines(tmp_path / policy)
        assert line["first"]["rank"] == 1


WRONG = [{"spike_deviations": 0.0}, {"spike_window": 5}, {"limit": 0}]


@pytest.mark.parametrize("settings", WRONG)
def test_wrong_values_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Guard(**settings)
