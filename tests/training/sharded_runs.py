"""Short runs for `test_sharding.py`: the same ones on one process and, split, on two."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from concord import tasks
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config
from tests.methods.test_table import shrink

COMMON = (*SMALL_MODEL, "model.image.depth=2", *SMALL_DATA, "~callbacks.stop_together", "trainer.accelerator=cpu")
COMMON += ("trainer.log_every=1", "callbacks.checkpoints.every_n_steps=2", "trainer.max_steps=2")
SPLIT = ("trainer=fsdp", "trainer.devices=2", "trainer.precision='32'")
LONG = ("trainer.max_steps=4", "trainer.gradient_clip=0.3", "+callback@callbacks.ema=ema", "callbacks.ema.decay=0.5", "benchmark=off")
BENCH = ("~benchmark.tasks.compositional", "~benchmark.tasks.diagnostics", "benchmark.bootstrap=100")
BENCH += ("benchmark.tasks.zero_shot.reader.size=24", "benchmark.tasks.retrieval.reader.size=21")
STEADY = "optimizer.eps=1e-2"
"""Adam divides by the root of squared gradients: where these are rounding errors, it makes steps of them unless eps is large."""
RUNS: dict[str, tuple[str, ...]] = {
    "clip": LONG,
    "silc": ("method=silc", STEADY, "benchmark=off"),
    "siglip": ("method=siglip", STEADY, "benchmark=off"),
    "lion": ("optimizer=lion", "benchmark=off"),
    "coca": ("method=coca", STEADY, "compute.checkpoint_activations=true", "benchmark=off"),
    "lora": ("tuning=lora", "tuning.text.lora=null", "tuning.text.unlocked_layers=1", STEADY, *BENCH),
}


class Crash(Exception):
    """What the test wanted."""


def run(folder: Path, *overrides: str) -> None:
    """One run, in a folder that it may have been started in before."""
    folder.mkdir(parents=True, exist_ok=True)
    resume = (f"resume={folder}",) if (folder / "checkpoints" / "last.ckpt").is_file() else ()
    tasks.run(shrink(compose_config(*COMMON, *overrides, *resume)), folder)


def crash_at(folder: Path, step: int, *overrides: str) -> None:
    """A run that stops for an error after a step."""

    def crash(self: L.Callback, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == step:
            raise Crash

    before, L.Callback.on_train_batch_start = L.Callback.on_train_batch_start, crash  # type: ignore[method-assign, assignment]
    try:
        run(folder, *overrides)
    except Crash:
        pass
    finally:
        L.Callback.on_train_batch_start = before  # type: ignore[method-assign]


def mirror_of(folder: Path) -> str:
    return f"callbacks.checkpoints.mirror=file://{folder}_mirror"


def split_runs(folder: str) -> None:
    """On each of two processes: every run, one that is stopped and resumed, and one that one process began."""
    torch.set_num_threads(1)
    root = Path(folder)
    for name, overrides in RUNS.items():
        run(root / name, *SPLIT, *overrides)
    crash_at(root / "stopped", 3, *SPLIT, *LONG, mirror_of(root / "stopped"))
    if torch.distributed.get_rank() == 0:  # the other process waits for this one where the next run begins
        shutil.copytree(root / "stopped", root / "moved_out")
    for resumed in ("stopped", "moved_in"):
        run(root / resumed, *SPLIT, *LONG, mirror_of(root / resumed))
    with full_at_first():
        run(root / "full", *SPLIT, "callbacks.checkpoints.every_n_steps=1", "benchmark=off")


@contextmanager
def full_at_first() -> Iterator[None]:
    """The disk of the second process has no room for its part of the first checkpoint."""
    original = FileSystemWriter.write_data
    calls = []

    def write_data(self: FileSystemWriter, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1 and torch.distributed.get_rank() == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(self, *arguments)

    FileSystemWriter.write_data = write_data  # type: ignore[method-assign]
    try:
        yield
    finally:
        FileSystemWriter.write_data = original  # type: ignore[method-assign]
