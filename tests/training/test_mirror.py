from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from concord.integrity import damage
from concord.training import Checkpoints, RunRecord
from concord.training.mirror import Mirror
from tests.training.tiny import tiny_run, weights


@pytest.fixture(autouse=True)
def empty_memory() -> Iterator[None]:
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def mirrored(folder: Path, url: str, max_steps: int = 20, **settings: Any) -> Any:
    return tiny_run(folder, max_steps, [RunRecord(), Checkpoints(5, mirror=url, **settings)])[1]


def test_a_run_can_go_on_from_its_mirror(tmp_path: Path) -> None:
    _, whole = tiny_run(tmp_path / "whole", 20)
    mirrored(tmp_path / "run", "memory://bucket/run", 20)
    system = fsspec.filesystem("memory")
    names = sorted(Path(path).name for path in system.ls("/bucket/run/checkpoints", detail=False))
    assert names[-1] == "step_000000020.ckpt"
    assert len(names) <= 2
    assert b'"finished"' in system.cat("/bucket/run/run.json")
    assert system.cat("/bucket/run/metrics.csv") == (tmp_path / "run" / "metrics.csv").read_bytes()
    copy = tmp_path / "copy"
    system.get("/bucket/run/", str(copy), recursive=True)
    last = copy / "checkpoints" / "step_000000020.ckpt"
    assert damage(last) is None
    assert last.read_bytes() == (tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes()
    last.rename(copy / "checkpoints" / "last.ckpt")
    _, again = tiny_run(copy, 20, resume=True)
    assert torch.equal(weights(again), weights(whole))
    assert not any(path.name.startswith(".") for path in (tmp_path / "run" / "checkpoints").iterdir())


def test_the_best_one_is_copied_and_old_ones_go(tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'mirror'}"
    mirror = Mirror(url)
    for step in (1, 2, 3, 4):
        file = tmp_path / "run" / "checkpoints" / f"step_{step:09d}.ckpt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(step))
        (file.parent / "best.ckpt").write_text(f"best {step}")
        mirror.copy(tmp_path / "run", file, is_best=step == 2)
        while mirror._is_due() or mirror._busy:
            time.sleep(0.01)
        file.unlink()
    mirror.close()
    found = {path.name: path.read_text() for path in (tmp_path / "mirror" / "checkpoints").iterdir()}
    assert found == {"step_000000003.ckpt": "3", "step_000000004.ckpt": "4", "best.ckpt": "best 2"}


def test_a_file_system_that_fails_is_told_once_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put, calls = LocalFileSystem.put_file, []

    def failing(self: Any, source: str, target: str, **more: Any) -> None:
        calls.append(target)
        if len(calls) <= 2:
            raise ConnectionError("s3://key:secret@bucket is gone")
        put(self, source, target, **more)

    monkeypatch.setattr(LocalFileSystem, "put_file", failing)
    url = f"file://{tmp_path / 'mirror'}"
    mirror = Mirror(url)
    file = tmp_path / "run" / "step_000000001.ckpt"
    file.parent.mkdir()
    file.write_text("1")
    (file.parent / "best.ckpt").write_text("best")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            mirror.copy(tmp_path / "run", file, is_best=len(calls) == 0)
            while mirror._is_due() or mirror._busy:
                time.sleep(0.01)
        mirror.close()
    (warning,) = caught
    assert "could not be copied (ConnectionError); it is tried again with the next" in str(warning.message)
    assert "secret" not in str(warning.message)
    assert {path.name for path in (tmp_path / "mirror" / "checkpoints").iterdir()} == {"step_000000001.ckpt", "best.ckpt"}
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(".")] == []


def test_training_does_not_fail_and_the_end_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(MemoryFileSystem, "put_file", failing)
    _, plain = tiny_run(tmp_path / "plain", 12)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = mirrored(tmp_path / "run", "memory://bucket/run", 12)
    assert module.losses == plain.losses
    told = [str(warning.message) for warning in caught]
    assert sum("could not be copied" in message for message in told) == 1
    assert sum("the mirror lacks the end of the run" in message for message in told) == 1


def test_a_slow_mirror_holds_nothing_up_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(MemoryFileSystem, "put_file", lambda *_, **__: gate.wait(60))
    mirror = Mirror("memory://bucket/run", wait=0.2)
    (tmp_path / "checkpoints").mkdir()
    for step in (1, 2, 3):
        file = tmp_path / "checkpoints" / f"step_{step:09d}.ckpt"
        file.write_text("")
        mirror.copy(tmp_path, file, is_best=False)
        until = time.monotonic() + 10
        while step == 1 and mirror._waiting and time.monotonic() < until:
            time.sleep(0.01)
    assert list(mirror._waiting) == ["step_000000003.ckpt"]  # 1 is on its way, and 2 was overtaken
    started = time.monotonic()
    with pytest.warns(UserWarning, match="copying was not done after 0 s; the mirror lacks the end of the run"):
        mirror.close()
    assert time.monotonic() - started < 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gate.set()
        assert mirror._thread is not None
        mirror._thread.join(10)


@pytest.mark.parametrize("settings", [{"url": "/a/folder"}, {"url": "s3://bucket", "wait": -1.0}])
def test_wrong_values_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Mirror(**settings)
