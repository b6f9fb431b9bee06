from __future__ import annotations

import sys
import time
import types
import warnings
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from concord.training import WandbLogger
from concord.training.loggers.wandb import has_api_key
from tests.training.tiny import tiny_run


@pytest.fixture(autouse=True)
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without any account; the path is where its netrc would be."""
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return tmp_path / "netrc"


class FakeRun:
    """Remembers what it is told."""

    def __init__(self, arguments: dict[str, Any], fails: bool) -> None:
        self.arguments, self.fails = arguments, fails
        self.logged: list[dict[str, Any]] = []
        self.finished: list[int] = []
        self.config: dict[str, Any] = {}

    def define_metric(self, *_: object, **__: object) -> None:
        pass

    def log(self, values: dict[str, Any]) -> None:
        self.logged.append(values)
        if self.fails:
            raise ConnectionError("the service is gone")

    def finish(self, exit_code: int) -> None:
        self.finished.append(exit_code)
        if self.fails:
            raise ConnectionError("the service is gone")


class FakeWandb(types.ModuleType):
    """A wandb that may fail to start by mode, or fail in everything later."""

    def __init__(self, failing_modes: tuple[str, ...] = (), fails_later: bool = False) -> None:
        super().__init__("wandb")
        self.failing_modes, self.fails_later = failing_modes, fails_later
        self.runs: list[FakeRun] = []
        self.attempts: list[str] = []

    def Settings(self, **settings: Any) -> dict[str, Any]:
        return settings

    def teardown(self) -> None:
        self.attempts.append("teardown")

    def init(self, mode: str, **arguments: Any) -> FakeRun:
        self.attempts.append(mode)
        if mode in self.failing_modes:
            raise TimeoutError("no answer from the server")
        self.runs.append(FakeRun(arguments, self.fails_later))
        return self.runs[-1]


def fake(monkeypatch: pytest.MonkeyPatch, **behaviour: Any) -> FakeWandb:
    module = FakeWandb(**behaviour)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_mode_auto_follows_the_key(no_account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_api_key()
    assert WandbLogger().mode == "offline"
    no_account.write_text("machine example.org login user password x\n")
    assert not has_api_key()
    no_account.write_text("machine api.wandb.ai login user password x\n")
    assert WandbLogger().mode == "online"
    no_account.unlink()
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert WandbLogger().mode == "online"
    assert WandbLogger(mode="disabled").mode == "disabled"


def test_a_run_is_described_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake(monkeypatch)
    logger = WandbLogger(project="p", group="g", job_type="train", tags=["a"], mode="online")
    logger.log_hyperparams({"seed": 0})
    tiny_run(tmp_path / "run", max_steps=4, logger=[logger])
    (run,) = module.runs
    assert (run.arguments["project"], run.arguments["group"], run.arguments["job_type"], run.arguments["name"]) == (
        "p",
        "g",
        "train",
        "run",
    )
    assert run.arguments["config"]["seed"] == 0
    assert "torch" in run.arguments["config"]["code"]
    assert [values["step"] for values in run.logged] == [2, 4]
    assert "loss/regression" in run.logged[0]
    assert run.finished == [0]


def test_a_resumed_run_goes_on_in_the_same_dashboard_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake(monkeypatch)
    tiny_run(tmp_path, max_steps=4, logger=[WandbLogger(mode="online")])
    tiny_run(tmp_path, max_steps=6, logger=[WandbLogger(mode="online")], resume=True)
    first, second = module.runs
    assert first.arguments["id"] == second.arguments["id"]
    assert second.arguments["resume"] == "allow"
    assert [values["step"] for values in second.logged] == [6]


def test_without_a_server_the_run_is_logged_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = fake(monkeypatch, failing_modes=("online",))
    with pytest.warns(UserWarning, match="cannot be reached.*no answer from the server"):
        tiny_run(tmp_path, max_steps=4, logger=[WandbLogger(mode="online")])
    assert module.attempts == ["online", "teardown", "offline"]
    assert len(module.runs[0].logged) == 2


@pytest.mark.parametrize("behaviour", [{"failing_modes": ("online", "offline")}, {"fails_later": True}])
def test_whatever_fails_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: dict[str, Any]) -> None:
    module = fake(monkeypatch, **behaviour)
    logger = WandbLogger(mode="offline")
    with warnings.catch_warnings(record=True) as caught:
        trainer, run = tiny_run(tmp_path, max_steps=10, logger=[logger])
        logger.log_predictions([], tmp_path, 10)
    (warning,) = caught
    assert "WandbLogger failed and is off for the rest of this run" in str(warning.message)
    assert trainer.global_step == len(run.losses) == 10
    assert logger.failed
    assert len(module.attempts) == 1


def test_wandb_that_cannot_be_imported_does_not_stop_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.warns(UserWarning, match="WandbLogger failed"):
        trainer, _ = tiny_run(tmp_path, max_steps=4, logger=[WandbLogger(mode="offline")])
    assert trainer.global_step == 4


def test_a_real_offline_run_with_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    started = time.monotonic()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    top = [
        {"label": "red circle", "image": None, "score": 0.9, "correct": True},
        {"label": None, "image": "a.png", "score": 0.1, "correct": False},
    ]
    item = {"task": "zero_shot", "dataset": "shapes", "image": "a.png", "query": None, "truth": ["red circle"], "top": top}
    logger = WandbLogger(mode="auto")
    logger.open(tmp_path)
    logger.log_metrics({"loss": 1.0}, 1)
    logger.log_predictions([item], tmp_path, 2)
    logger.finalize("success")
    assert not logger.failed
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    assert logger.run_id in folder.name
    assert list(folder.glob("*.wandb"))
    assert list(folder.rglob("predictions*.json"))
    assert time.monotonic() - started < 60


def test_wrong_timeout_is_refused() -> None:
    with pytest.raises(ValueError, match="timeout must be above 0"):
        WandbLogger(timeout=0)
