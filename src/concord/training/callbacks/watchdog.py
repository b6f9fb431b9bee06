"""Where a process stands when a step does not end."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import statistics
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, Any

import lightning as L

_log = logging.getLogger(__name__)


class StepWatchdog(L.Callback):
    """Writes down where every thread of this process stands when a step takes much longer than those before it.

    Every rank does so by its own clock, in `stacks/rank_00000.txt` of the run folder, so that the ranks that wait and the one
    they wait for can be told apart; a line in the log says so. The stacks are written by a thread of C that needs nothing of
    Python: also where the main thread stands in a collective, or holds the interpreter for ever.

    A step here is one batch from its arrival to the end of its optimizer step. Waiting for a batch is watched by the data's own
    watchdog (`data.stall_seconds`); benchmarks and checkpoints are not watched, so this callback stands before them.

    Args:
        times: how many times the median of the latest steps a step may take, above 1.
        least_seconds: no step is taken for hanging before so many seconds, above 0.
        first_seconds: for the first steps, which connect and compile, above 0.
    """

    FIRST = 5
    """Steps before there is a median."""

    def __init__(self, times: float = 10.0, least_seconds: float = 60.0, first_seconds: float = 900.0) -> None:
        super().__init__()
        if not times > 1:
            raise ValueError(f"times must be above 1, got {times}")
        for name, seconds in {"least_seconds": least_seconds, "first_seconds": first_seconds}.items():
            if not seconds > 0:
                raise ValueError(f"{name} must be above 0, got {seconds}")
        self.times = times
        self.least_seconds = least_seconds
        self.first_seconds = first_seconds
        self._seconds: deque[float] = deque(maxlen=100)
        self._file: IO[str] | None = None
        self._over = threading.Event()
        self._started = 0.0
        self._armed: tuple[int, float] | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        path = Path(trainer.default_root_dir) / "stacks" / f"rank_{trainer.global_rank:05d}.txt"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            _log.warning("%s cannot be written (%s), so steps are not watched", path, error.strerror)
            return
        self._seconds.clear()
        self._over = threading.Event()
        threading.Thread(target=self._tell, args=(self._over, path), name="step-watchdog", daemon=True).start()

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        if self._file is None:
            return
        limit = self.limit()
        self._started = time.monotonic()
        self._armed = (trainer.global_step + 1, self._started + limit)
        faulthandler.dump_traceback_later(limit, file=self._file)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._armed is not None:
            faulthandler.cancel_dump_traceback_later()
            self._armed = None
            self._seconds.append(time.monotonic() - self._started)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._over.set()
        if self._file is None:
            return
        faulthandler.cancel_dump_traceback_later()
        self._armed = None
        self._file.close()
        path, self._file = Path(self._file.name), None
        if path.is_file() and path.stat().st_size == 0:
            path.unlink()
            with contextlib.suppress(OSError):  # another process has something to say there, or has just removed the folder
                path.parent.rmdir()

    def limit(self) -> float:
        """Seconds that the coming step may take."""
        if len(self._seconds) < self.FIRST:
            return self.first_seconds
        return max(self.least_seconds, self.times * statistics.median(self._seconds))

    def _tell(self, over: threading.Event, path: Path) -> None:
        told = 0
        while not over.wait(min(1.0, self.least_seconds / 4)):
            armed = self._armed
            if armed is not None and time.monotonic() > armed[1] and armed[0] != told:
                told = armed[0]
                _log.warning("step %d has taken %.0f s and goes on; where it stands: %s", told, time.monotonic() - self._started, path)
