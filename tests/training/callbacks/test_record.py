from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from concord.training import RunRecord, Throughput, provenance
from tests.training.tiny import TinyModule, tiny_run


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def test_a_finished_run(tmp_path: Path) -> None:
    _, module = tiny_run(tmp_path, max_steps=6, callbacks=[Throughput(), RunRecord(lambda: {"bad_examples": {"no image": 2}})])
    run = read(tmp_path / "run.json")
    assert run["bad_examples"] == {"no image": 2}
    assert (run["status"], run["steps"], run["max_steps"], run["resumed_after_step"]) == ("finished", 6, 6, None)
    assert (run["parameters"], run["trained_parameters"], run["device"], run["processes"]) == (97, 97, "cpu", 1)
    assert run["samples_per_second"] > 0
    assert run["wall_seconds"] > 0
    assert {"python", "torch", "lightning"} <= run["versions"].keys()
    assert read(tmp_path / "metrics.json")["loss"] == pytest.approx(module.losses[-1])


class Interrupt(L.Callback):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == 3:
            assert read(Path(trainer.default_root_dir) / "run.json")["status"] == "running"
            raise self.error


@pytest.mark.parametrize(
    ("error", "raised", "status"), [(KeyError("two\nlines"), KeyError, "failed"), (KeyboardInterrupt(), SystemExit, "interrupted")]
)
def test_a_run_that_breaks_off(tmp_path: Path, error: BaseException, raised: type[BaseException], status: str) -> None:
    with pytest.raises(raised):
        tiny_run(tmp_path, max_steps=6, callbacks=[RunRecord(), Interrupt(error)])
    run = read(tmp_path / "run.json")
    assert (run["status"], run["steps"]) == (status, 3)
    assert type(error).__name__ in run["error"]
    assert "\n" not in run["error"]
    assert "loss" in read(tmp_path / "metrics.json")


def test_wall_time_adds_up_and_a_finished_run_stays_finished(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=4, callbacks=[RunRecord()])
    first, metrics = read(tmp_path / "run.json"), read(tmp_path / "metrics.json")
    tiny_run(tmp_path, max_steps=4, callbacks=[RunRecord()], resume=True)
    assert read(tmp_path / "metrics.json") == metrics
    tiny_run(tmp_path, max_steps=6, callbacks=[RunRecord()], resume=True)
    second = read(tmp_path / "run.json")
    assert (second["status"], second["steps"], second["resumed_after_step"]) == ("finished", 6, 4)
    assert second["wall_seconds"] > 0.8 * first["wall_seconds"]


def test_values_that_are_not_finite_are_valid_json(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=2, module=TinyModule(poison_at=2), callbacks=[RunRecord()])
    assert read(tmp_path / "metrics.json")["loss"] is None


def test_commit_and_its_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True, capture_output=True)

    source = tmp_path / "provenance.py"
    source.write_text("1")
    monkeypatch.setattr(provenance, "__file__", str(source))
    assert provenance.git_commit() is None  # no repository
    git("init")
    assert provenance.git_commit() is None  # a repository that the file does not belong to
    git("add", ".")
    git("commit", "-m", "a")
    commit = provenance.git_commit()
    assert commit is not None
    assert len(commit) == 40
    source.write_text("2")
    assert provenance.git_commit() == f"{commit}-dirty"
