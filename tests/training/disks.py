"""Disks that are full."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import lightning as L


class Fill(L.Callback):
    """Fills a file system to the brim after a step, and makes room again after another."""

    def __init__(self, folder: Path, full_after: int, room_after: int | None = None) -> None:
        self.file = folder / "ballast"
        self.full_after, self.room_after = full_after, room_after

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == self.full_after:
            with suppress(OSError), self.file.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        if trainer.global_step == self.room_after:
            self.file.unlink()
