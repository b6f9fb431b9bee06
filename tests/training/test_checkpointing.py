from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from concord.errors import CheckpointError
from concord.files import link_atomically, write_atomically
from concord.training import AtomicCheckpointIO, Checkpoints
from tests.training.tiny import tiny_run


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, lambda file: file.write(b"old"))

    def fail(file: Any) -> None:
        file.write(b"half of the ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["file"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_links_replace_and_survive_linking_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "last", tmp_path / "best"
    source.write_bytes(b"1")
    target.write_bytes(b"0")
    link_atomically(source, target)
    link_atomically(source, target)
    assert target.read_bytes() == b"1"
    write_atomically(source, lambda file: file.write(b"2"))
    assert target.read_bytes() == b"1"  # replacing one name leaves the other

    def no_links(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "link", no_links)
    link_atomically(source, target)
    assert target.read_bytes() == b"2"
    assert listing(tmp_path) == ["best", "last"]


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code was run",)


def test_damaged_missing_and_hostile_checkpoints_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files, path = AtomicCheckpointIO(), tmp_path / "a.ckpt"
    files.save_checkpoint({"weights": torch.ones(3)}, path)
    assert torch.equal(files.load_checkpoint(path)["weights"], torch.ones(3))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match=r"a\.ckpt: cannot be read as a checkpoint"):
        files.load_checkpoint(path)
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        files.load_checkpoint(tmp_path / "b.ckpt")
    torch.save({"weights": _Code()}, path)
    with pytest.raises(CheckpointError):
        files.load_checkpoint(path, weights_only=False)
    assert "code was run" not in capsys.readouterr().out


class Score(L.Callback):
    """Gives a metric a value after certain steps."""

    def __init__(self, values: dict[int, float]) -> None:
        self.values = values

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step in self.values:
            trainer.callback_metrics["score"] = torch.tensor(self.values[trainer.global_step])


def steps_of(folder: Path) -> dict[str, int]:
    files = sorted((folder / "checkpoints").glob("*.ckpt"))
    return {file.stem: torch.load(file, weights_only=True)["global_step"] for file in files}


def test_last_best_and_the_latest_numbered_ones(tmp_path: Path) -> None:
    checkpoints = Checkpoints(every_n_steps=4, keep=2, monitor="score")
    tiny_run(tmp_path, max_steps=18, callbacks=[checkpoints, Score({3: 0.1, 7: 0.9, 10: float("nan"), 11: 0.5})])
    assert steps_of(tmp_path) == {"best": 7, "last": 18, "step_000000012": 12, "step_000000016": 16}
    assert (checkpoints.best, checkpoints.best_step) == (pytest.approx(0.9), 7)


def test_the_best_is_remembered_over_a_resumption(tmp_path: Path) -> None:
    def run(resume: bool, max_steps: int, values: dict[int, float]) -> None:
        checkpoints = Checkpoints(every_n_steps=100, keep=0, monitor="score", mode="min")
        tiny_run(tmp_path, max_steps=max_steps, callbacks=[checkpoints, Score(values)], resume=resume)

    run(False, 4, {2: 0.3})
    run(True, 8, {6: 0.4})
    assert steps_of(tmp_path) == {"best": 2, "last": 8}
    run(True, 12, {10: 0.2})
    assert steps_of(tmp_path) == {"best": 10, "last": 12}


def test_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(L.Trainer, "save_checkpoint", lambda trainer, path, weights_only: saved.append(trainer.global_step))
    tiny_run(tmp_path / "always", max_steps=7, callbacks=[Checkpoints(every_n_steps=100, every_minutes=1e-9)], log_every=2)
    assert saved == [2, 4, 6, 7]
    saved.clear()
    tiny_run(tmp_path / "never", max_steps=7, callbacks=[Checkpoints(every_n_steps=100, every_minutes=60.0)])
    assert saved == [7]


def test_a_monitor_that_is_never_seen_is_warned_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="no metric 'scor' was seen, so there is no best.ckpt; metrics: .*loss.*score"):
        tiny_run(tmp_path, max_steps=2, callbacks=[Checkpoints(every_n_steps=2, monitor="scor"), Score({1: 0.5})])


def test_a_run_that_stops_early_is_saved_where_it_stopped(tmp_path: Path) -> None:
    class StopEarly(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
            trainer.should_stop = trainer.global_step == 5

    tiny_run(tmp_path, max_steps=100, callbacks=[StopEarly()], every_n_steps=50)
    assert steps_of(tmp_path) == {"last": 5}


@pytest.mark.parametrize("settings", [{"every_n_steps": 0}, {"every_n_steps": 1, "keep": -1}, {"every_n_steps": 1, "every_minutes": 0.0}])
def test_wrong_values_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Checkpoints(**settings)
