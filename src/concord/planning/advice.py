"""What will not fit, and the keys that would mend it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from concord.planning.device import GIB, Device
from concord.planning.memory import STATE, USABLE, Spread
from concord.planning.rehearsal import BATCH

LOSS = "objectives."
"""How the parts of objectives are named."""


def warnings_of(memory: Mapping[str, int], device: Device, spread: Spread, world: int, keys: Sequence[str]) -> list[str]:
    """One line for each thing that is too large.

    Args:
        memory: bytes of one device by what they are for.
        device: that has to hold them.
        spread: of the model over the devices.
        world: number of devices.
        keys: of the configuration; no other key is named as a way out.
    """
    total, room = sum(memory.values()), USABLE * device.bytes
    if total <= room:
        return []
    state = sum(memory.get(name, 0) for name in STATE)
    loss = sum(size for name, size in memory.items() if name.startswith(LOSS))
    rest = total - state - loss - memory.get(BATCH, 0)
    ways = [*_against_state(state, room, spread, world, keys), *_against_loss(loss, room, keys), *_against_activations(rest, room, keys)]
    ways.append("more devices, or a smaller data.batch_size")
    return [
        f"{total / GIB:.1f} GiB will not fit into {device.name}, which has {device.memory:g} GiB and of them {room / GIB:.1f} for a step; "
        f"try {'; '.join(ways)}"
    ]


def _against_state(state: float, room: float, spread: Spread, world: int, keys: Sequence[str]) -> list[str]:
    if state < room / 2 or spread == "fsdp" or world == 1 or "trainer.strategy=fsdp" not in keys:
        return []
    return ["trainer.strategy=fsdp, which shares weights, gradients and optimizer"]


def _against_loss(loss: float, room: float, keys: Sequence[str]) -> list[str]:
    tiles = [key for key in keys if key.endswith(".tile")]
    return [f"{key}=2048, which never builds the whole table of logits" for key in tiles] if loss > room / 4 else []


def _against_activations(activations: float, room: float, keys: Sequence[str]) -> list[str]:
    if activations < room / 4:
        return []
    ways = {
        "compute.checkpoint_activations": "compute.checkpoint_activations=true",
        "compute.micro_batch": "compute.micro_batch=64, which runs so many pairs through a tower at a time",
    }
    return [way for key, way in ways.items() if key in keys]
