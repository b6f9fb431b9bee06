"""Short runs for `test_sharding.py`: the same ones on one process and, split, on two."""

from __future__ import annotations

import sys
from pathlib import Path

import lightning as L
import torch

from concord import tasks
from tests.composing import SMALL_DATA, SMALL_MODEL, compose_config
from tests.methods.test_table import shrink

COMMON = (*SMALL_MODEL, "model.image.depth=2", *SMALL_DATA, "benchmark=off", "~callbacks.stop_together", "trainer.accelerator=cpu")
COMMON += ("trainer.log_every=1", "callbacks.checkpoints.every_n_steps=2", "trainer.max_steps=2")
SPLIT = ("trainer=fsdp", "trainer.devices=2", "trainer.precision='32'")
LONG = ("trainer.max_steps=6", "trainer.gradient_clip=0.3", "+callback@callbacks.ema=ema", "callbacks.ema.decay=0.5")
RUNS: dict[str, tuple[str, ...]] = {
    "clip": LONG,
    "silc": ("method=silc",),
    "siglip": ("method=siglip", "optimizer=lion"),
    "coca": ("method=coca", "compute.checkpoint_activations=true"),
    "slip": ("method=slip", "trainer.accumulate=1"),
    "lora": ("tuning=lora", "tuning.text.lora=null", "tuning.text.unlocked_layers=1"),
}


class Crash(Exception):
    """What the test wanted."""


def run(folder: Path, *overrides: str) -> None:
    """One run, in a folder that it may have been started in before."""
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


def split_runs(folder: str) -> None:
    """On each of two processes: every run, one that is stopped and resumed, and one that goes on with a checkpoint of one process."""
    torch.set_num_threads(1)
    root = Path(folder)
    for name, overrides in RUNS.items():
        run(root / name, *SPLIT, *overrides)
    crash_at(root / "stopped", 3, *SPLIT, *LONG)
    run(root / "stopped", *SPLIT, *LONG)
    run(root / "moved_in", *SPLIT, *LONG)


if __name__ == "__main__":
    split_runs(sys.argv[1])
