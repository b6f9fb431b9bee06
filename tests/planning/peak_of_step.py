"""Run in a process of its own: the peak of the resident memory of one real training step above what stood there before it.

python -m tests.planning.peak_of_step PAIRS PRECISION OVERRIDE...
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from tests.composing import compose_config
from tests.planning.subjects import real_subject


def resident(field: str) -> int:
    """A line of /proc/self/status (VmRSS, VmHWM) in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def main(pairs: int, precision: str, overrides: list[str]) -> int:
    """The optimizer has its state and the gradients of the step before are there, as in the midst of a run."""
    torch.set_num_threads(1)
    subject = real_subject(compose_config(*overrides))
    optimizer = subject.optimizer()

    def step(pairs: int) -> None:
        batch = subject.batch(pairs)
        if pairs > 2:
            Path("/proc/self/clear_refs").write_text("5")
        started.append(resident("VmRSS"))
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = subject.step(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    started: list[int] = []
    step(2)  # libraries set up their buffers
    step(pairs)
    return resident("VmHWM") - started[-1]


if __name__ == "__main__":
    print(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
