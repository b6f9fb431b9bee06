from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from concord.config import build, check
from concord.errors import ConfigError
from concord.training import Checkpoints, make_trainer
from tests.training.tiny import tiny_run

CONF = Path(__file__).resolve().parents[2] / "conf"


def test_a_run_says_nothing_and_leaves_only_its_own_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tiny_run(tmp_path, max_steps=4)
        tiny_run(tmp_path, max_steps=6, resume=True)
    assert [str(warning.message) for warning in caught] == []
    output = capfd.readouterr()
    assert output.out + output.err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "metrics.csv"]


def test_other_warnings_still_pass(tmp_path: Path) -> None:
    make_trainer(max_steps=1, accelerator="cpu", folder=tmp_path)
    with pytest.warns(UserWarning, match="something else"):
        warnings.warn("something else", stacklevel=1)


def test_settings_reach_the_trainer(tmp_path: Path) -> None:
    trainer = make_trainer(max_steps=7, accelerator="cpu", precision="bf16", gradient_clip=0.5, accumulate=3, log_every=50, folder=tmp_path)
    assert (trainer.max_steps, trainer.precision, trainer.gradient_clip_val, trainer.accumulate_grad_batches) == (7, "bf16-mixed", 0.5, 3)
    assert trainer.log_every_n_steps == 7  # a short run logs its last step
    assert trainer.checkpoint_callbacks == []
    assert Path(trainer.default_root_dir) == tmp_path


def test_bf16_trains_and_stays_finite(tmp_path: Path) -> None:
    _, module = tiny_run(tmp_path, max_steps=30, precision="bf16", gradient_clip=1.0)
    assert all(torch.isfinite(torch.tensor(module.losses)))
    assert sum(module.losses[-5:]) < sum(module.losses[:5])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
        ({"devices": 0}, "devices must be at least 1 or auto, got 0"),
        ({"gradient_clip": 0.0}, "gradient_clip must be above 0 or null"),
    ],
)
def test_wrong_numbers_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        make_trainer(**{"max_steps": 1, **settings}, folder=tmp_path)


def test_impossible_devices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.precision=16 needs a GPU"):
        make_trainer(max_steps=1, accelerator="cpu", precision="16", folder=tmp_path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="finds no GPU"):
        make_trainer(max_steps=1, accelerator="gpu", folder=tmp_path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"trainer\.devices=4, but PyTorch finds 2 GPUs"):
        make_trainer(max_steps=1, accelerator="gpu", devices=4, folder=tmp_path)


@pytest.mark.parametrize("file", sorted((CONF / "trainer").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_configured_trainer_fits_its_signature(file: Path) -> None:
    check(yaml.safe_load(file.read_text()), "trainer", injected=("callbacks", "logger", "folder", "check"))


def test_default_trainer_builds(tmp_path: Path) -> None:
    node = yaml.safe_load((CONF / "trainer" / "cpu.yaml").read_text())
    trainer = build(node, "trainer", callbacks=[Checkpoints(5)], logger=[], folder=tmp_path)
    assert trainer.max_steps == node["max_steps"]


@pytest.mark.parametrize("group", ["schedule", "logger", "callbacks"])
def test_every_other_file_of_this_room_fits_its_signatures(group: str) -> None:
    supplied = {"benchmark": ("measure",), "summary": ("lines",), "data": ("means", "counts"), "record": ("details",)}
    for file in (CONF / group).glob("*.yaml"):
        text = file.read_text()
        assert text.startswith("# ")
        content = yaml.safe_load(text.replace("${seed}", "0"))
        for name, node in ({"schedule": content} if group == "schedule" else content).items():
            check(node, f"{group}.{name}", injected=supplied.get(name, ()))
