"""Samples per second of one process and of two, with as many pairs and one thread for each: DDP over gloo, on CPU.

    python tests/performance/weak_scaling.py
    python tests/performance/weak_scaling.py --batch 64 --steps 40 --rounds 5 --processes 1 2

It runs `run.py experiment=quickstart trainer=ddp trainer.accelerator=cpu trainer.precision='32' trainer.devices=N` and reads the samples
per second that the run says of itself: those of the last logged stretches of `metrics.csv`, the first half of the run left out. Pairs
are read by the training process itself (`data.workers=0`), so that N processes keep N cores busy. The loss is that of the global
batch, so that its work grows with N: the efficiency is the samples per second of N processes over N times those of one.
The order of the numbers of processes alternates; medians count. It wants as many idle cores as processes.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe

ROOT = Path(__file__).resolve().parents[2]


def train(processes: int, steps: int, batch: int, folder: Path, overrides: list[str]) -> float:
    """Samples per second in the second half of a run."""
    command = [
        sys.executable,
        str(ROOT / "run.py"),
        "experiment=quickstart",
        "benchmark=off",
        "trainer=ddp",
        "trainer.accelerator=cpu",
        "trainer.precision='32'",
        f"trainer.devices={processes}",
        f"trainer.max_steps={steps}",
        "trainer.log_every=5",
        f"data.batch_size={batch * processes}",
        "data.workers=0",
        f"hydra.run.dir={folder}",
        *overrides,
    ]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    with (folder / "metrics.csv").open(newline="") as file:
        speeds = [float(row["samples_per_second"]) for row in csv.DictReader(file) if row["samples_per_second"]]
    return statistics.median(speeds[len(speeds) // 2 :])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, default=64, help="pairs of each process")
    parser.add_argument("--steps", type=int, default=60, help="of each run, at least 10")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="further overrides of the runs")
    arguments = parser.parse_args()
    print(describe())
    speeds: dict[int, list[float]] = {count: [] for count in arguments.processes}
    with tempfile.TemporaryDirectory() as name:
        for number in range(arguments.rounds):
            for count in arguments.processes if number % 2 == 0 else arguments.processes[::-1]:
                folder = Path(name) / f"{number}_{count}"
                speeds[count].append(train(count, arguments.steps, arguments.batch, folder, arguments.overrides))
    first = arguments.processes[0]
    print(f"quickstart, {arguments.batch} pairs and 1 thread for each process, {arguments.steps} steps")
    print(f"{'processes':>10}{'samples/s':>12}{'efficiency':>12}   samples/s of each round")
    for count in arguments.processes:
        speed = statistics.median(speeds[count])
        efficiency = speed / count / (statistics.median(speeds[first]) / first)
        print(f"{count:>10}{speed:>12.1f}{efficiency:>12.2f}   {' '.join(f'{one:.1f}' for one in speeds[count])}")


if __name__ == "__main__":
    main()
