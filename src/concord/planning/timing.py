"""How long a step takes: each operation as long as its arithmetic, its memory traffic or its launch, whichever is longest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from concord.planning.communication import Transfer
from concord.planning.device import Device
from concord.planning.memory import Spread
from concord.planning.rehearsal import Trace
from concord.planning.tracing import OPTIMIZER, Operation


@dataclass(frozen=True)
class StepTime:
    """Seconds of an optimizer step.

    Attributes:
        forward, backward, optimizer: of computing.
        waiting: for other processes, beyond what is hidden behind computing.
    """

    forward: float
    backward: float
    optimizer: float
    waiting: float

    @property
    def total(self) -> float:
        return self.forward + self.backward + self.optimizer + self.waiting


def synchronisation(spread: Spread, world: int, weights: int, trained: int, block: int) -> list[Transfer]:
    """What DDP or FSDP sends in a step beside the loss.

    DDP sums the gradients. FSDP gathers the weights for the forward and again for the backward pass, and scatters the gradients,
    layer by layer.

    Args:
        spread: over the devices.
        world: number of devices.
        weights: bytes of all weights.
        trained: bytes of those that have gradients.
        block: bytes of the largest layer.
    """
    if spread == "single":
        return []
    if spread == "ddp":
        return [Transfer("sum", trained, world, "gradients")]
    layers = max(1, weights // max(block, 1))
    gathers = [Transfer("gather", weights // layers, world, "weights")] * (2 * layers)
    return [*gathers, *[Transfer("scatter", trained // layers, world, "gradients")] * layers]


def sending(transfers: Iterable[Transfer], device: Device) -> float:
    """Seconds that transfers take, one after the other."""
    return sum(one.sent / device.link(one.world) + one.rounds * device.latency * 1e-6 for one in transfers)


def step_time(trace: Trace, device: Device, spread: Spread, behind: Iterable[Transfer], accumulate: int = 1) -> StepTime:
    """Seconds of an optimizer step.

    Args:
        trace: of the step on one batch.
        device: on which.
        spread: over the devices; with FSDP each device updates its share of the weights.
        behind: what is sent while the device computes: gradients during the backward pass, with FSDP weights during both passes.
        accumulate: batches per optimizer step.
    """
    passes = {False: 0.0, True: 0.0}
    update = 0.0
    for operation, calls in trace.operations.items():
        seconds = calls * seconds_of(operation, device)
        if operation.part == OPTIMIZER:
            update += seconds / (trace.world if spread == "fsdp" else 1)
        else:
            passes[operation.backward] += seconds
    cover = passes[True] + (passes[False] if spread == "fsdp" else 0.0)
    each = sending(trace.transfers, device) * accumulate
    beside = max(0.0, sending(behind, device) - cover)
    return StepTime(passes[False] * accumulate, passes[True] * accumulate, update, each + beside)


def seconds_of(operation: Operation, device: Device) -> float:
    """Seconds of one call."""
    arithmetic = operation.flops / device.flops(operation.dtype)
    traffic = operation.bytes / (1e9 * device.bandwidth)
    return max(max(arithmetic, traffic) / device.achievable, device.launch * 1e-6)
