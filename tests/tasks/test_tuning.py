"""What a run trains, from the command line to the model that others load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from tests.composing import SMALL, compose_config
from tests.launched_processes import launch
from torch import Tensor

import concord
from concord.errors import ConfigError, IncompatibleError
from concord.methods import Pretrainer
from concord.models.adapters import without_adapters
from concord.tasks import run
from concord.tasks.assemble import assemble, check_config
from concord.training import seed_everything

RUN = (*SMALL, "callbacks.checkpoints.every_n_steps=2", "trainer.log_every=1", "model.image.depth=2")
PANEL = ("benchmark=quick", "~benchmark.tasks.compositional", "~benchmark.tasks.diagnostics", "~benchmark.tasks.retrieval")
PANEL += ("benchmark.tasks.zero_shot.reader.size=64", "benchmark.bootstrap=100")


def last(folder: Path) -> Path:
    return folder / "checkpoints" / "last.ckpt"


def saved(folder: Path) -> dict[str, Any]:
    return torch.load(last(folder), weights_only=True)  # type: ignore[no-any-return]


def model_weights(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    state = checkpoint["state_dict"]
    return {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model to begin from."""
    folder = tmp_path_factory.mktemp("start")
    run(compose_config(*RUN), folder)
    return folder


@pytest.fixture(scope="module")
def adapted(start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapted")
    lora = ("tuning=lora", "tuning.image.lora.rank=2", "tuning.text.lora.targets=all", "tuning.text.lora.dropout=0.1")
    run(compose_config(*RUN, *lora, f"checkpoint={last(start)}", "trainer.max_steps=4", "optimizer.lr=1e-2", "schedule=constant"), folder)
    return folder


def test_adapters_leave_the_weights_of_the_towers_as_they_were_to_the_bit(start: Path, adapted: Path) -> None:
    before, after = model_weights(saved(start)), model_weights(saved(adapted))
    for name, value in after.items():
        plain = without_adapters(name)
        if plain is None:
            if "lora_B" in name:
                assert value.abs().max() > 0  # it began as zero
        elif name.startswith(("image.", "text.")):
            assert torch.equal(value, before[plain]), name
        elif "projection" in name or name == "similarity.logit_scale":
            assert not torch.equal(value, before[plain]), name


def test_a_checkpoint_with_adapters_is_loaded_and_exported_as_the_plain_model_that_it_is(adapted: Path, tmp_path: Path) -> None:
    scorer = concord.load(adapted)
    assert not any("lora" in name for name in scorer.model.state_dict())
    cfg = compose_config(*RUN, "tuning=lora", "tuning.image.lora.rank=2", "tuning.text.lora.targets=all", "tuning.text.lora.dropout=0.1")
    method = assemble(cfg, scorer.tokenizer).method
    method.load_state_dict(saved(adapted)["state_dict"])
    pictures = torch.randint(0, 255, (4, 3, 32, 32), dtype=torch.uint8)
    tokens = scorer.tokenizer(["a red circle", "two stars"])
    with torch.no_grad():
        ours, theirs = (
            (model.embed_image(model.image(pictures)).vectors, model.embed_text(model.text(tokens)).vectors)
            for model in (method.model.eval(), scorer.model.eval())
        )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    run(compose_config("task=export", f"checkpoint={adapted}", f"output={tmp_path / 'plain'}"), tmp_path)
    exported = concord.load(tmp_path / "plain").model.state_dict()
    assert all(torch.equal(exported[name], value) for name, value in scorer.model.state_dict().items())


def test_a_run_with_adapters_resumes_exactly(start: Path, tmp_path: Path) -> None:
    lora = (*RUN, "tuning=lora", "tuning.text.lora.dropout=0.2", f"checkpoint={last(start)}", "trainer.max_steps=4")
    run(compose_config(*lora), tmp_path / "undisturbed")

    class Stop(Exception):
        pass

    def stop(self: L.Callback, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == 3:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(L.Callback, "on_train_batch_start", stop)
        with pytest.raises(Stop):
            run(compose_config(*lora), tmp_path / "stopped")
    run(compose_config(*lora, f"resume={tmp_path / 'stopped'}"), tmp_path / "stopped")
    first, second = (saved(tmp_path / name)["state_dict"] for name in ("stopped", "undisturbed"))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_averaged_weights_are_measured_and_loaded(tmp_path: Path) -> None:
    averaging = ("+callback@callbacks.ema=ema", "callbacks.ema.decay=0.9", "callbacks.ema.warmup=false", "optimizer.lr=1e-2")
    run(compose_config(*RUN, *PANEL, *averaging, "trainer.max_steps=4", "schedule=constant"), tmp_path)
    checkpoint, loaded = saved(tmp_path), concord.load(tmp_path).model.state_dict()
    averages, weights = checkpoint["averaged_weights"], model_weights(checkpoint)
    assert all(torch.equal(loaded[name], averages[name]) for name in averages)
    assert any(not torch.equal(loaded[name], weights[name]) for name in averages)
    again = tmp_path / "again"
    again.mkdir()
    run(compose_config("task=evaluate", f"checkpoint={tmp_path}", *PANEL, "trainer.accelerator=cpu", "task.cache=null"), again)
    measured, evaluated = (json.loads((folder / "metrics.json").read_text()) for folder in (tmp_path, again))
    assert measured["zero_shot/shapes/top1"] == evaluated["zero_shot/shapes/top1"]


def trained_parts(method: Pretrainer) -> set[str]:
    return {name.split(".")[1] for name, parameter in method.named_parameters() if parameter.requires_grad}


def test_lit_is_a_locked_image_tower_and_may_unlock_its_last_layers() -> None:
    method = assemble(compose_config("method=lit", *SMALL), None).method
    assert trained_parts(method) == {"text", "image_projection", "text_projection", "similarity"}
    partly = assemble(compose_config("method=lit", *SMALL, "model.image.depth=2", "tuning.image.unlocked_layers=1"), None).method
    assert "image" in trained_parts(partly)
    assert not any(p.requires_grad for p in partly.model.image.trunk.blocks[0].parameters())
    with pytest.raises(IncompatibleError, match=r"LiT reads a locked image tower.*use tuning=locked_image or method=clip"):
        check_config(compose_config("method=lit", "tuning=full", *SMALL))


def test_frozen_weights_are_not_in_the_optimizer(start: Path, tmp_path: Path) -> None:
    run(compose_config(*RUN, "tuning=locked_image", "tuning.image.unlocked_layers=1", f"checkpoint={last(start)}"), tmp_path)
    checkpoint = saved(tmp_path)
    before, after = model_weights(saved(start)), model_weights(checkpoint)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("image.trunk.blocks.1.") for name in changed)
    assert not any(name.startswith(("image.trunk.blocks.0.", "image.trunk.patch_embed", "image.trunk.pos_embed")) for name in changed)
    groups = checkpoint["optimizer_states"][0]["param_groups"]
    assert sum(len(group["params"]) for group in groups) == len(changed | {"similarity.logit_scale"})


def locked_on_two(folder: str) -> None:
    """Two processes train what is left of locked towers, under plain DDP."""
    torch.set_num_threads(1)
    locked = ("trainer.devices=2", "trainer.strategy=ddp", "~callbacks.stop_together")
    for name, tuning in TUNINGS.items():
        target = Path(folder) / name
        target.mkdir(exist_ok=True)
        run(compose_config(*RUN, *locked, *tuning), target)


TUNINGS: dict[str, tuple[str, ...]] = {
    "locked_image": ("tuning=locked_image",),
    "locked_text": ("tuning=locked_text", "tuning.image.unlocked_layers=1", "+callback@callbacks.ema=ema"),
}


def test_locked_towers_train_on_two_processes_as_on_one(tmp_path: Path) -> None:
    launch("tests.tasks.test_tuning:locked_on_two", 2, str(tmp_path))
    for name, tuning in TUNINGS.items():
        whole = tmp_path / f"{name}_on_one"
        seed_everything(0)
        run(compose_config(*RUN, *tuning), whole)
        ours, theirs = concord.load(tmp_path / name).model.state_dict(), concord.load(whole).model.state_dict()
        for weight in ours:
            torch.testing.assert_close(ours[weight], theirs[weight], rtol=0, atol=5e-5)


def test_too_many_layers_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^tuning\.image\.unlocked_layers is 9, but the tower has 1 layers$"):
        check_config(compose_config("tuning=locked_image", "tuning.image.unlocked_layers=9", *SMALL))
