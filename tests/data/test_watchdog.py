from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from concord.data import Augmentation, Shuffle, TrainingLoader, TrainingOrder, Views
from concord.data.stages import Board, show_on, stage
from concord.data.watchdog import Watchdog, explain_death
from concord.images import Preprocess
from concord.tokenizers import BPETokenizer
from concord.types import ImageView, Pair, TextView
from tests.data.samples import Grey

LONG = 60.0  # seconds after which a test is broken rather than slow


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Pipe(Grey):
    """A source one of whose examples comes out of a named pipe, which blocks for as long as nothing is written into it."""

    def __init__(self, size: int, blocked: int, path: Path) -> None:
        super().__init__(size)
        self.blocked = blocked
        self.path = path
        os.mkfifo(path)

    def location(self, index: int) -> str:
        return str(self.path)

    def __getitem__(self, index: int) -> Pair:
        if index == self.blocked:
            self.path.read_bytes()
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stage_that_blocks_is_named_with_its_example_and_place(
    workers: int,
    tokenizer: BPETokenizer,
    preprocess: Preprocess,
    recipes: dict[str, Augmentation],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Pipe(12, blocked=5, path=tmp_path / "shard-3.tar")
    views = Views({"image": ImageView("weak")}, {"caption": TextView("caption")}, recipes, preprocess, tokenizer)
    loader = TrainingLoader(source, TrainingOrder(Shuffle().over(source, "0"), 12, 4), views, workers=workers, stall_seconds=0.2)
    keys: list[str] = []

    def unblock() -> None:
        wait_for(lambda: caplog.text.count("no batch for") >= 2)
        source.path.write_bytes(b"go on")

    helper, before = threading.Thread(target=unblock), set(threading.enumerate())
    with caplog.at_level(logging.WARNING):
        helper.start()
        stream = iter(loader)
        while len(keys) < 12:
            keys += next(stream).keys
        helper.join(LONG)
    assert set(keys) == {str(index) for index in range(12)}  # once the pipe opens, reading goes on where it stood
    lines = [record.getMessage() for record in caplog.records]
    assert all("\n" not in line for line in lines)
    for line in lines[:2]:
        assert f"in stage read of example 5 ({source.path})" in line
        assert line.count("worker ") == max(1, workers)
    stream.close()  # type: ignore[attr-defined]
    wait_for(lambda: not set(threading.enumerate()) - before)


def test_lines_come_after_twice_the_time_and_end_with_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    board = Board(1)
    with caplog.at_level(logging.WARNING), Watchdog(board, str, 0.05) as watchdog:
        with watchdog.waiting():
            wait_for(lambda: len(caplog.records) == 3)
        time.sleep(0.3)  # training, for longer than the patience
        assert len(caplog.records) == 3
        with watchdog.waiting():
            wait_for(lambda: len(caplog.records) == 4)
    waits = [record.created for record in caplog.records]
    assert waits[1] - waits[0] >= 0.03
    assert waits[2] - waits[1] >= 0.06
    assert all("worker 0 has not started" in record.getMessage() for record in caplog.records)


def test_what_pytorch_says_of_a_dead_process_is_explained() -> None:
    board = Board(2)
    show_on(board, 1)
    pid = os.getpid()
    with stage("decode", example=8):
        full = RuntimeError(f"DataLoader worker (pid {pid}) is killed by signal: Bus error. It is")
        explained = explain_death(full, board, "at {}".format, {})
        gone = explain_death(RuntimeError(f"DataLoader worker (pid(s) {pid}, 17) exited unexpectedly"), board, str, {})
    assert "(Bus error) while it was in stage decode of example 8 (at 8); most often /dev/shm is full" in str(explained)
    assert f"data worker {pid} ended unexpectedly while it was in stage decode of example 8" in str(gone)
    killed = explain_death(RuntimeError(f"DataLoader worker (pid(s) {pid}) exited unexpectedly"), board, str, {pid: -9})
    assert "ended by the system (Killed) while it was waiting for work; most often the system ran out of memory" in str(killed)
    waiting = explain_death(RuntimeError(f"DataLoader worker (pid {pid}) is killed by signal: Killed. "), board, str, {})
    assert "while it was waiting for work; most often the system ran out of memory" in str(waiting)
    assert explain_death(RuntimeError("out of memory"), board, str, {}) is None


def test_patience_is_checked() -> None:
    with pytest.raises(ValueError, match="stall_seconds must be above 0, got 0"):
        Watchdog(Board(1), str, 0.0)
