from __future__ import annotations

import errno
import os
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from concord.errors import CheckpointError
from concord.files import link_atomically, write_atomically
from concord.integrity import altered, damage
from concord.training import AtomicCheckpointIO, Checkpoints, RunRecord, newest_good
from concord.training.loggers.csv import read_rows
from tests.training.disks import Fill
from tests.training.tiny import TinyModule, tiny_run


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
    assert steps_of(tmp_path) == {"best": 7, "last": 18, "step_000000016": 16, "step_000000018": 18}
    assert (checkpoints.best, checkpoints.best_step) == (pytest.approx(0.9), 7)


def test_the_best_is_remembered_over_a_resumption(tmp_path: Path) -> None:
    def run(resume: bool, max_steps: int, values: dict[int, float]) -> None:
        checkpoints = Checkpoints(every_n_steps=100, keep=1, monitor="score", mode="min")
        tiny_run(tmp_path, max_steps=max_steps, callbacks=[checkpoints, Score(values)], resume=resume)

    run(False, 4, {2: 0.3})
    run(True, 8, {6: 0.4})
    assert steps_of(tmp_path) == {"best": 2, "last": 8, "step_000000008": 8}
    run(True, 12, {10: 0.2})
    assert steps_of(tmp_path) == {"best": 10, "last": 12, "step_000000012": 12}


def test_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    save = L.Trainer.save_checkpoint

    def noted(trainer: L.Trainer, path: Path, weights_only: bool) -> None:
        saved.append(trainer.global_step)
        save(trainer, path, weights_only)

    monkeypatch.setattr(L.Trainer, "save_checkpoint", noted)
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
    assert steps_of(tmp_path) == {"last": 5, "step_000000005": 5}


def test_some_stay_for_ever(tmp_path: Path) -> None:
    tiny_run(tmp_path, max_steps=18, callbacks=[Checkpoints(every_n_steps=3, keep=1, keep_every_n_steps=5)])
    # Written at 3, 6, ..., 18: the first at or after 5, 10 and 15.
    assert steps_of(tmp_path) == {"last": 18, **{f"step_{step:09d}": step for step in (6, 12, 15, 18)}}
    tiny_run(tmp_path, max_steps=21, callbacks=[Checkpoints(every_n_steps=3, keep=1, keep_every_n_steps=5)], resume=True)
    assert steps_of(tmp_path) == {"last": 21, **{f"step_{step:09d}": step for step in (6, 12, 15, 21)}}


def test_some_stay_for_ever_by_the_clock(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"

    class Older(L.Callback):
        """Makes every file ten minutes older after each step."""

        def on_train_batch_start(self, *_: object) -> None:
            for file in folder.glob("step_*.ckpt"):
                os.utime(file, (file.stat().st_mtime - 600,) * 2)

    tiny_run(tmp_path, max_steps=7, callbacks=[Checkpoints(every_n_steps=1, keep=1, keep_every_minutes=25), Older()])
    assert steps_of(tmp_path) == {"last": 7, **{f"step_{step:09d}": step for step in (1, 4, 7)}}


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 16]))


def test_a_flipped_bit_is_found_wherever_it_matters(tmp_path: Path) -> None:
    content = {"weights": torch.arange(500.0), "step": 3, "more": torch.ones(7, dtype=torch.float64)}
    AtomicCheckpointIO().save_checkpoint(content, tmp_path / "whole")
    whole = (tmp_path / "whole").read_bytes()
    assert damage(tmp_path / "whole") is None
    found = 0
    for offset in random.Random(0).sample(range(len(whole)), 300):
        path = tmp_path / f"flipped_{offset}"
        path.write_bytes(whole)
        flip(path, offset)
        if damage(path) is not None:
            found += 1
            continue
        read = torch.load(path, weights_only=True)  # the gaps between records, and times nobody reads, may hold anything
        assert torch.equal(read["weights"], content["weights"])
        assert (read["step"], float(read["more"].sum())) == (3, 7.0)
    assert found > 150
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "torn").write_bytes(whole[:length])
        assert damage(tmp_path / "torn") is not None
    assert damage(tmp_path / "missing") == "No such file or directory"


def weights_at(path: Path) -> int:
    """A byte of the largest record of a checkpoint, about its middle."""
    with zipfile.ZipFile(path) as archive:
        record = max(archive.infolist(), key=lambda record: record.file_size)
    return record.header_offset + 200 + record.file_size // 2


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    _, undisturbed = tiny_run(tmp_path / "a", max_steps=10)
    tiny_run(tmp_path / "b", max_steps=10)
    folder = tmp_path / "b" / "checkpoints"
    flip(folder / "last.ckpt", weights_at(folder / "last.ckpt"))  # step_000000010.ckpt is the same file
    told = r"last\.ckpt is damaged \(the record .*\); going on from .*step_000000005\.ckpt.*: 5 steps are lost"
    with pytest.warns(UserWarning, match=told):
        good = newest_good(folder)
    assert good == folder / "step_000000005.ckpt"
    shutil.copy(good, folder / "last.ckpt")
    _, resumed = tiny_run(tmp_path / "b", max_steps=10, resume=True)
    assert resumed.losses == undisturbed.losses[5:]
    for path in folder.glob("*.ckpt"):
        path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"damaged .*, and so is every other checkpoint"):
        newest_good(folder)
    assert newest_good(tmp_path) is None


def test_altered_weights_are_named_and_others_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    torch.save({"weights": torch.arange(4000.0), "optimizer": torch.ones(90_000)}, path)
    flip(path, weights_at(path))  # the optimizer's
    read = torch.load(path, weights_only=True, mmap=True)
    assert altered(path, {"weights": read["weights"]}) is None
    assert altered(path, {"weights": read["weights"], "optimizer": read["optimizer"]}) == "optimizer"


class Look(L.Callback):
    """Looks, before a step, that the last checkpoint is still that of an earlier one, and whole."""

    def __init__(self, folder: Path, step: int, saved: int) -> None:
        self.last, self.step, self.saved = folder / "checkpoints" / "last.ckpt", step, saved

    def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            assert damage(self.last) is None
            assert torch.load(self.last, weights_only=True)["global_step"] == self.saved


def test_a_full_disk_ends_nothing(small_disk: Path, tmp_path: Path) -> None:
    _, undisturbed = tiny_run(tmp_path / "roomy", max_steps=20)
    with pytest.warns(UserWarning, match="could not be written") as caught:
        _, run = tiny_run(small_disk, max_steps=20, callbacks=[RunRecord(), Fill(small_disk, 7, 16), Look(small_disk, 10, 5)])
    assert run.losses == undisturbed.losses
    told = [str(warning.message) for warning in caught]
    of_checkpoints = [message for message in told if "checkpoint after" in message]
    assert [int(message.split()[4]) for message in of_checkpoints] == [10, 15]
    assert all("No space left" in message and "step_000000005.ckpt" in message for message in of_checkpoints)
    assert len([message for message in told if "metrics.csv cannot be written" in message]) <= 1  # a few rows may fit
    # Room came back: nothing is missing, and nothing is left lying about.
    assert steps_of(small_disk) == {"last": 20, "step_000000005": 5, "step_000000020": 20}
    assert read_rows(small_disk / "metrics.csv") == read_rows(tmp_path / "roomy" / "metrics.csv")
    assert [name for name in listing(small_disk / "checkpoints") if name.startswith(".")] == []


def test_a_disk_that_stays_full_is_an_error_at_the_end_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.save

    def no_room(content: dict[str, Any], file: Any) -> None:
        whole(content, file)
        if content["global_step"] > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", no_room)
    module = TinyModule()
    told = r"after step 12 could not .*No space left.*step_000000005\.ckpt; make room and go on with resume="
    with pytest.warns(UserWarning, match="after step 10 could not be written"), pytest.raises(CheckpointError, match=told):
        tiny_run(tmp_path, max_steps=12, module=module)
    assert len(module.losses) == 12
    assert listing(tmp_path / "checkpoints") == ["last.ckpt", "step_000000005.ckpt"]
    assert steps_of(tmp_path) == {"last": 5, "step_000000005": 5}


def test_a_checkpoint_can_be_asked_for(tmp_path: Path) -> None:
    checkpoints = Checkpoints(every_n_steps=100)

    class Ask(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
            if trainer.global_step == 3:
                checkpoints.save_now(trainer)

    tiny_run(tmp_path, max_steps=4, callbacks=[checkpoints, Ask()])
    assert steps_of(tmp_path) == {"last": 4, "step_000000003": 3, "step_000000004": 4}


WRONG = (
    {"every_n_steps": 0},
    {"keep": 0},
    {"every_minutes": 0.0},
    {"keep_every_n_steps": 0},
    {"keep_every_minutes": 0.0},
    {"mirror": "/x"},
)


@pytest.mark.parametrize("settings", WRONG)
def test_wrong_values_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Checkpoints(**{"every_n_steps": 1, **settings})
