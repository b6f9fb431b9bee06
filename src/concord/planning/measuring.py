"""What share of a device's figures real steps reach."""

from __future__ import annotations

import dataclasses
import statistics
import time
from contextlib import nullcontext

import torch

from concord.planning.device import Device, Precision
from concord.planning.rehearsal import AUTOCAST, Rehearsal, Subject
from concord.planning.timing import step_time


def measure_steps(subject: Subject, device: torch.device, precision: Precision, pairs: int, steps: int) -> list[float]:
    """Seconds of real optimizer steps on a batch of noise, after one that does not count.

    Args:
        subject: whose module has its weights; it is moved to the device and trained.
        device: where.
        precision: of the passes.
        pairs: of the batch.
        steps: to measure.
    """
    module = subject.module.to(device).train()
    optimizer = subject.optimizer()
    batch = subject.batch(pairs).to(device)
    seconds = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        dtype = AUTOCAST[precision]
        with torch.autocast(device.type, dtype) if dtype is not None else nullcontext():
            loss = subject.step(batch)
        module.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def with_measured_share(device: Device, rehearsal: Rehearsal, pairs: int, seconds: list[float]) -> Device:
    """The profile with the share of its figures that the median of some measured steps reached.

    Args:
        device: the profile.
        rehearsal: of the same method, in the precision that was measured.
        pairs: of the batch that was measured.
        seconds: of the steps.
    """
    ideal = dataclasses.replace(device, achievable=1.0)
    planned = step_time(rehearsal.run(pairs), ideal, "single", []).total
    share = min(1.0, planned / statistics.median(seconds))
    return dataclasses.replace(device, achievable=share, source=f"{device.source}; share measured in steps of {pairs} pairs")
