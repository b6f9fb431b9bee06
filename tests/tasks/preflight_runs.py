"""Runs of `test_preflight.py` on two processes: with trying out before, and without."""

from __future__ import annotations

import os
from contextlib import redirect_stdout
from pathlib import Path

from tests.composing import SMALL, SMALL_DATA, SMALL_MODEL, compose_config

from concord import tasks

BENCH = ("benchmark=quick", "benchmark.bootstrap=100", "~benchmark.tasks.compositional", "~benchmark.tasks.diagnostics")
TWO = ("trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_steps=2", "trainer.log_every=1", "~callbacks.stop_together")
RUNS = {
    "slip": (*SMALL, *TWO, "method=slip", "trainer.strategy=ddp"),
    "split": (*SMALL_MODEL, *SMALL_DATA, "trainer=fsdp", *TWO, "trainer.precision='32'", "+callback@callbacks.ema=ema", *BENCH),
}


def runs(folder: str) -> None:
    """On each of two processes; what the first prints is left in `said.txt`."""
    for name, options in RUNS.items():
        for preflight in ("true", "false"):
            run = Path(folder) / name / preflight
            run.mkdir(parents=True, exist_ok=True)
            said = run / "said.txt" if os.environ["LOCAL_RANK"] == "0" else Path(os.devnull)
            with said.open("w") as file, redirect_stdout(file):
                tasks.run(compose_config(*options, f"trainer.preflight={preflight}"), run)
