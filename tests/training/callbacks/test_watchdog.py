from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from torch import Tensor

from concord.training import StepWatchdog
from tests.training.tiny import TinyModule, tiny_run


class Slow(TinyModule):
    """Sleeps in some of its steps."""

    def __init__(self, seconds: dict[int, float]) -> None:
        super().__init__()
        self.seconds = seconds

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        self.stand_still(self.seconds.get(self.global_step + 1, 0.0))
        return super().training_step(batch, batch_idx)

    def stand_still(self, seconds: float) -> None:
        time.sleep(seconds)


class SlowAfterwards(L.Callback):
    """As a benchmark or a checkpoint, which take their time after a step."""

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == 7:
            time.sleep(0.6)


def test_a_step_that_hangs_says_where_every_thread_stands(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    other = threading.Thread(target=_wait_elsewhere, args=(done,))
    other.start()
    with caplog.at_level(logging.WARNING):
        tiny_run(tmp_path, 10, [StepWatchdog(least_seconds=0.3), SlowAfterwards()], module=Slow({9: 0.8}))
    done.set()
    other.join()
    (file,) = (tmp_path / "stacks").iterdir()
    assert file.name == "rank_00000.txt"
    stacks = file.read_text()
    assert stacks.count("Timeout (") == 1
    assert "in stand_still" in stacks
    assert "in _wait_elsewhere" in stacks
    (told,) = [record.getMessage() for record in caplog.records if "has taken" in record.getMessage()]
    assert told.startswith("step 9 has taken ")
    assert told.endswith(f"where it stands: {file}")


def _wait_elsewhere(done: threading.Event) -> None:
    done.wait(60)


def test_nothing_is_left_where_nothing_hangs(tmp_path: Path) -> None:
    tiny_run(tmp_path, 10, [StepWatchdog()], module=Slow({}))
    assert not (tmp_path / "stacks").exists()


@pytest.mark.parametrize("kept", ["nothing", "stacks of another"])
def test_processes_that_end_at_once_clean_up_once(kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = Path.rmdir

    def removed_by_another(folder: Path) -> None:
        if kept == "nothing":
            remove(folder)
        else:
            (folder / "rank_00001.txt").write_text("Timeout")
        remove(folder)

    monkeypatch.setattr(Path, "rmdir", removed_by_another)
    tiny_run(tmp_path, 3, [StepWatchdog()])
    left = [file.name for file in tmp_path.glob("stacks/*")]
    assert left == ([] if kept == "nothing" else ["rank_00001.txt"])


def test_how_long_a_step_may_take() -> None:
    dog = StepWatchdog(times=10, least_seconds=2, first_seconds=50)
    dog._seconds.extend([0.1] * 4)
    assert dog.limit() == 50
    dog._seconds.extend([0.1] * 4)
    assert dog.limit() == 2
    dog._seconds.extend([0.5] * 20)
    assert dog.limit() == 5


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "stacks").write_text("in the way")
    _, module = tiny_run(tmp_path, 3, [StepWatchdog()])
    assert len(module.losses) == 3
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("settings", [{"times": 1.0}, {"least_seconds": 0.0}, {"first_seconds": -1.0}])
def test_wrong_values_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be above"):
        StepWatchdog(**settings)
