"""When one process stops for an error, all stop."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time

import lightning as L

from concord.distributed import Alarm
from concord.errors import ConcordError
from concord.training.callbacks.progress import Progress
from concord.training.callbacks.record import RunRecord

_RECORDING = 2.0  # seconds at most for a process that ends to write down why


class StopTogether(L.Callback):
    """Ends the other processes of a run when one of them stops for an error, such as too many bad examples among its own.

    They would wait for it in the next exchange of gradients: until a timeout, or for ever. In each process a thread listens for
    the word of the others beside all collectives; the first process prints it in one line. One process alone needs none of this.
    """

    def __init__(self) -> None:
        super().__init__()
        self._over = threading.Event()

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.world_size > 1:
            self._over.clear()
            Alarm.listen(self._over, lambda word, code: _follow(trainer, pl_module, word, code))

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._over.set()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._over.set()
        if trainer.world_size == 1 or isinstance(exception, KeyboardInterrupt):  # Ctrl+C reaches all of them by itself
            return
        what = " ".join(str(exception).split()) or type(exception).__name__
        if Alarm.ring(f"process {trainer.global_rank} of {trainer.world_size} stopped: {what}", exit_code(exception)):
            time.sleep(Alarm.GRACE)  # the first process keeps the place where the others listen


def exit_code(error: BaseException) -> int:
    """What `run.py` exits with after an error."""
    return 2 if isinstance(error, ConcordError) else 1


def _follow(trainer: L.Trainer, module: L.LightningModule, word: str, code: int) -> None:
    """End this process from a thread; its main thread may stand in a collective that nothing interrupts."""
    # A process that Lightning started must not be the first to fail: the one that started it would be killed before it can speak.
    code = code if trainer.local_rank == 0 else 0
    threading.Timer(_RECORDING, os._exit, (code,)).start()  # reading a metric may wait for a GPU that waits for the others
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, RunRecord | Progress):
            callback.on_exception(trainer, module, ConcordError(word))
    if trainer.is_global_zero:
        print(f"concord: {word}", file=sys.stderr, flush=True)
    logging.shutdown()
    os._exit(code)
