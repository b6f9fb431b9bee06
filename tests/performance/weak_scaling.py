"""Samples per second of one process and of two, with as many pairs and one thread for each: DDP over gloo, on CPU.

    python tests/performance/weak_scaling.py
    python tests/performance/weak_scaling.py --batch 64 --steps 40 --rounds 5 --processes 1 2

It runs `run.py experiment=quickstart trainer=ddp trainer.accelerator=cpu trainer.precision='32' trainer.devices=N` and reads the samples
per second that the run says of itself: those of the last logged stretches of `metrics.csv`, the first half of the run left out. Pairs
are read by the training process itself (`data.workers=0`), so that N processes keep N cores busy. The loss is that of the global
batch, so that its work grows with N: the efficiency is the samples per second of N processes over N times those of one.
The processor seconds of a step are those of all processes, start and end of the run left out as well as can be told by two runs of
different lengths. The order of the numbers of processes alternates; medians count. It wants as many idle cores as processes.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe

ROOT = Path(__file__).resolve().parents[2]


def train(processes: int, steps: int, batch: int, folder: Path, overrides: list[str]) -> tuple[float, float]:
    """Samples per second in the second half of a run, and the processor seconds of the whole run."""
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
    before = children()
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    with (folder / "metrics.csv").open(newline="") as file:
        speeds = [float(row["samples_per_second"]) for row in csv.DictReader(file) if row["samples_per_second"]]
    return statistics.median(speeds[len(speeds) // 2 :]), children() - before


def children() -> float:
    """Processor seconds of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, default=64, help="pairs of each process")
    parser.add_argument("--steps", type=int, default=60, help="of the longer runs, whose speed counts; at least 20")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="further overrides of the runs")
    arguments = parser.parse_args()
    print(describe())
    speeds: dict[int, list[float]] = {count: [] for count in arguments.processes}
    busy: dict[int, list[float]] = {count: [] for count in arguments.processes}
    short = 10
    with tempfile.TemporaryDirectory() as name:
        for number in range(arguments.rounds):
            for count in arguments.processes if number % 2 == 0 else arguments.processes[::-1]:
                spent = {}
                for steps in (short, arguments.steps):
                    folder = Path(name) / f"{number}_{count}_{steps}"
                    speed, spent[steps] = train(count, steps, arguments.batch, folder, arguments.overrides)
                speeds[count].append(speed)
                busy[count].append((spent[arguments.steps] - spent[short]) / (arguments.steps - short))
    first = arguments.processes[0]
    print(f"quickstart, {arguments.batch} pairs and 1 thread for each process, {arguments.steps} steps")
    print(f"{'processes':>10}{'samples/s':>12}{'efficiency':>12}{'processor ms a pair':>21}   samples/s of each round")
    for count in arguments.processes:
        speed = statistics.median(speeds[count])
        efficiency = speed / count / (statistics.median(speeds[first]) / first)
        a_pair = statistics.median(busy[count]) / (count * arguments.batch) * 1e3
        print(f"{count:>10}{speed:>12.1f}{efficiency:>12.2f}{a_pair:>21.2f}   {' '.join(f'{one:.1f}' for one in speeds[count])}")


if __name__ == "__main__":
    main()
