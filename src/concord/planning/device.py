"""What a device can do: figures of its maker, and what part of them a training step reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GIB = 2**30

Precision = Literal["32", "bf16", "16"]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A profile of the device that a run is planned for.

    Args:
        name: for the tables.
        kind: "gpu" or "cpu", which decides how PyTorch computes.
        memory: GiB of one device.
        teraflops_32, teraflops_bf16, teraflops_16: of dense matrix products, in 10^12 per second; 0 where it has none.
        bandwidth: of its memory, GB/s.
        per_node: devices of one machine.
        intra_node: GB/s that each device can send to others of its machine.
        inter_node: GB/s that each device can send to other machines.
        latency: microseconds until a message arrives.
        launch: microseconds that every operation takes at least.
        achievable: share of these figures that a step reaches, in (0, 1]. An assumption, unless `task.measure=true` replaces it.
        source: where the figures come from.
    """

    name: str
    kind: Literal["gpu", "cpu"]
    memory: float
    teraflops_32: float
    teraflops_bf16: float
    teraflops_16: float
    bandwidth: float
    per_node: int
    intra_node: float
    inter_node: float
    latency: float
    launch: float
    achievable: float
    source: str = ""

    def __post_init__(self) -> None:
        for key in ("memory", "teraflops_32", "bandwidth", "intra_node", "inter_node"):
            if not getattr(self, key) > 0:
                raise ValueError(f"{key} must be above 0, got {getattr(self, key)}")
        for key in ("teraflops_bf16", "teraflops_16", "latency", "launch"):
            if not getattr(self, key) >= 0:
                raise ValueError(f"{key} must be at least 0, got {getattr(self, key)}")
        if self.kind not in ("gpu", "cpu"):
            raise ValueError(f"kind must be gpu or cpu, got {self.kind!r}")
        if self.per_node < 1:
            raise ValueError(f"per_node must be at least 1, got {self.per_node}")
        if not 0 < self.achievable <= 1:
            raise ValueError(f"achievable must lie in (0, 1], got {self.achievable}")

    @property
    def bytes(self) -> int:
        """Of its memory."""
        return round(self.memory * GIB)

    def flops(self, dtype: str) -> float:
        """FLOPs per second with numbers of this type, as PyTorch names it; those of single precision for all others."""
        known = {"bfloat16": self.teraflops_bf16, "float16": self.teraflops_16}
        return 1e12 * (known.get(dtype, 0.0) or self.teraflops_32)

    def link(self, devices: int) -> float:
        """Bytes per second that each of so many devices can send: between machines as soon as there are several."""
        return 1e9 * (self.intra_node if devices <= self.per_node else self.inter_node)
