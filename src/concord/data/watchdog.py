"""A thread that says where reading stands when no batch comes, and what to say of a reading process that died."""

from __future__ import annotations

import logging
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from concord.data.stages import Activity, Board
from concord.errors import DataError

logger = logging.getLogger(__name__)

Locate = Callable[[int], str]
"""Where an example lies, by its index."""

_DEATH = re.compile(r"DataLoader worker \(pid(?:\(s\))? (\d+)")
_SIGNAL = re.compile(r"is killed by signal: ([^.]+)")
_ADVICE = {
    "Killed": "most often the system ran out of memory; lower data.workers, data.prefetch or data.batch_size, or give the job more memory",
    "Bus error": "most often /dev/shm is full; lower data.workers or data.prefetch, or give the job more shared memory",
}
_OTHER = "data.workers=0 shows the error itself"


class Watchdog:
    """Warns when the main process has waited for a batch for too long: one line that names what each reading process does.

    The line comes again after twice the time, four times, and so on. A batch ends the alarm. It is a context manager; the
    thread runs inside.

    Args:
        board: where the reading processes say what they do.
        locate: where an example lies. It is called from the thread and must not read files.
        patience: seconds of waiting before the first line, above 0.
    """

    def __init__(self, board: Board, locate: Locate, patience: float) -> None:
        if not patience > 0:
            raise ValueError(f"stall_seconds must be above 0, got {patience}")
        self.board = board
        self.locate = locate
        self.patience = patience
        self._waiting_since: float | None = None
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        self._closed = threading.Event()
        threading.Thread(target=self._watch, args=(self._closed,), name="data-watchdog", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside, the main process waits for a batch."""
        self._waiting_since = time.monotonic()
        try:
            yield
        finally:
            self._waiting_since = None

    def _watch(self, closed: threading.Event) -> None:
        watched, limit = None, self.patience
        while not closed.wait(min(1.0, self.patience / 4)):
            since = self._waiting_since
            if since != watched:
                watched, limit = since, self.patience
            if since is not None and (waited := time.monotonic() - since) >= limit:
                limit *= 2
                logger.warning("no batch for %.0f s; %s", waited, describe(self.board, self.locate))


def describe(board: Board, locate: Locate) -> str:
    """What every reading process does, in one line."""
    return "; ".join(f"worker {slot} {_sentence(board.read(slot), locate)}" for slot in range(len(board)))


def explain_death(error: RuntimeError, board: Board, locate: Locate, exit_codes: Mapping[int, int | None]) -> DataError | None:
    """What the user should know when PyTorch says that a reading process died; None for any other error.

    Args:
        error: PyTorch's.
        board: where the reading processes said what they did.
        locate: where an example lies.
        exit_codes: of the reading processes by their ids, as far as they are known. PyTorch names the signal that ended a process
            only where its handler for the death of children is still in place, and Lightning replaces it when a trainer is done.
    """
    found = _DEATH.search(str(error))
    if found is None:
        return None
    pid = int(found[1])
    cause = _cause(error, exit_codes.get(pid))
    how = f"was ended by the system ({cause})" if cause else "ended unexpectedly"
    activity = next((activity for slot in range(len(board)) if (activity := board.read(slot)).pid == pid), None)
    doing = f" while it {_doing(activity, locate)}" if activity is not None else ""
    return DataError(f"data worker {pid} {how}{doing}; {_ADVICE.get(cause, _OTHER)}")


def _cause(error: RuntimeError, exit_code: int | None) -> str:
    """The name of the signal that ended a process; "" where it is not known."""
    named = _SIGNAL.search(f"{error} {error.__cause__}")  # the loop that waits for batches wraps what the signal's handler raises
    if named is not None:
        return named[1]
    return (signal.strsignal(-exit_code) or "") if exit_code is not None and exit_code < 0 else ""


def _sentence(activity: Activity, locate: Locate) -> str:
    if activity.pid == 0:
        return "has not started"
    return f"(process {activity.pid}) {_doing(activity, locate)}, for {activity.seconds:.0f} s"


def _doing(activity: Activity, locate: Locate) -> str:
    if activity.stage is None:
        return "was waiting for work"
    example = f" of example {activity.example} ({locate(activity.example)})" if activity.example is not None else ""
    return f"was in stage {activity.stage}{example}"
