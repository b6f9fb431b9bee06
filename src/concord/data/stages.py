"""What a reading process is doing, for which example, and how long each stage takes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray
from typing import Literal, NamedTuple, get_args

Stage = Literal["read", "decode", "transform", "tokenise", "collate"]
"""Reading bytes, decoding the picture, making the views of it, captions to ids; and putting together what these made."""

STAGES: tuple[Stage, ...] = get_args(Stage)

_NONE = -1  # in place of a stage or an example
_CELLS = 4  # per process: process id, stage, example, start of the stage


class Activity(NamedTuple):
    """What a reading process is doing.

    Attributes:
        pid: the process; 0 before it has started.
        stage: None while it waits for work.
        example: index in the source; None where there is none.
        seconds: since the stage began.
    """

    pid: int
    stage: Stage | None
    example: int | None
    seconds: float


class Board:
    """Where reading processes write what they are doing, in memory that they share with the main process.

    A process that is killed or hangs leaves its last entry behind.

    Args:
        slots: reading processes.
    """

    def __init__(self, slots: int) -> None:
        self._cells = RawArray("d", slots * _CELLS)

    def __len__(self) -> int:
        return len(self._cells) // _CELLS

    def write(self, slot: int, stage: Stage | None, example: int | None, since: float) -> None:
        """Say that a stage began at `since`, in seconds of the clock `time.monotonic`, which all processes share."""
        code = _NONE if stage is None else STAGES.index(stage)
        self._cells[slot * _CELLS : (slot + 1) * _CELLS] = (os.getpid(), code, _NONE if example is None else example, since)

    def read(self, slot: int) -> Activity:
        """What the process of a slot wrote last."""
        pid, code, example, since = self._cells[slot * _CELLS : (slot + 1) * _CELLS]
        stage = None if pid == 0 or code == _NONE else STAGES[int(code)]
        seconds = time.monotonic() - since if pid else 0.0
        return Activity(int(pid), stage, None if pid == 0 or example == _NONE else int(example), seconds)


class _Here:
    """The stages of this process."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.example: int | None = None
        self.since = 0.0
        self.seconds: dict[str, float] = {}
        self.board: Board | None = None
        self.slot = 0

    def switch(self, stage: Stage | None) -> Stage | None:
        """End the stage that this process is in, begin another, and return the ended one."""
        now = time.monotonic()
        ended, self.stage = self.stage, stage
        if ended is not None:
            self.seconds[ended] = self.seconds.get(ended, 0.0) + now - self.since
        self.since = now
        if self.board is not None:
            self.board.write(self.slot, stage, self.example, now)
        return ended


_here = _Here()


@contextmanager
def stage(name: Stage, example: int | None = None) -> Iterator[None]:
    """Time what happens inside as a stage of this process. Where stages nest, each second counts for the inner one alone.

    Args:
        name: the stage.
        example: index of the example that is now worked on; it stays when the stage ends. None where it does not change.
    """
    if example is not None:
        _here.example = example
    outer = _here.switch(name)
    try:
        yield
    finally:
        if outer is None:
            _here.example = None
        _here.switch(outer)


def take_seconds() -> dict[str, float]:
    """Seconds per stage in this process since the last call."""
    taken, _here.seconds = _here.seconds, {}
    return taken


def show_on(board: Board, slot: int) -> None:
    """Write what this process does to a slot of the board from now on."""
    if _here.board is board and _here.slot == slot:
        return
    _here.board, _here.slot = board, slot
    _here.switch(_here.stage)
