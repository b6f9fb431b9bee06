"""What one device must hold at the fullest moment of a step, for each way to spread a model over devices."""

from __future__ import annotations

from typing import Literal

from concord.planning.rehearsal import GRADIENTS, WEIGHTS, Trace
from concord.planning.tracing import OPTIMIZER

Spread = Literal["single", "ddp", "fsdp"]
"""One process; DDP, where each process holds everything; FSDP, where each holds its share and gathers a layer when it needs it."""

BUCKETS = "buckets"
GATHERED = "gathered layers"
AVERAGES = "averages"

STATE = (WEIGHTS, GRADIENTS, OPTIMIZER, BUCKETS, GATHERED, AVERAGES)
"""What does not depend on the batch."""

USABLE = 0.92
"""Share of a device's memory that a step may fill: the rest is for the driver, libraries and what allocators waste. An assumption."""


def spread_of(strategy: str, world: int) -> Spread:
    """What a strategy of the trainer means for so many processes."""
    if "fsdp" in strategy:
        return "fsdp"
    return "ddp" if "ddp" in strategy or world > 1 else "single"


def memory_of(trace: Trace, spread: Spread, trained: int, block: int, averaged: bool = False) -> dict[str, int]:
    """Bytes by what they are for, at the fullest moment.

    DDP keeps a second copy of the gradients, the buckets that it sends. FSDP keeps 1 / W of weights, gradients and optimizer, and
    beside them two gathered layers (the one at work and the next one) and the gradient of one, all whole.

    Args:
        trace: of a step of one process.
        spread: over the devices.
        trained: bytes of the weights that have gradients.
        block: bytes of the weights of the largest layer.
        averaged: whether an average of these weights is kept (EMA).
    """
    needs = dict(trace.peak)
    if averaged:
        needs[AVERAGES] = trained
    if spread == "ddp":
        needs[BUCKETS] = trained
    if spread == "fsdp":
        for name in (WEIGHTS, GRADIENTS, OPTIMIZER, *([AVERAGES] if averaged else [])):
            needs[name] = -(-needs.get(name, 0) // trace.world)
        needs[GATHERED] = 3 * block
    return needs
