"""Parameters by part, trained and frozen apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from concord.models.layers import gathered_layers


@dataclass(frozen=True)
class Count:
    """Of the parameters of a part, each counted once."""

    trained: int
    frozen: int

    @property
    def all(self) -> int:
        return self.trained + self.frozen


def count(module: nn.Module) -> Count:
    """The parameters of a module."""
    trained = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return Count(trained, sum(parameter.numel() for parameter in module.parameters()) - trained)


def count_parts(parts: Mapping[str, nn.Module]) -> dict[str, Count]:
    """Those of every part that has any."""
    return {name: found for name, part in parts.items() if (found := count(part)).all > 0}


def trained_bytes(module: nn.Module) -> int:
    """Of the parameters that have gradients."""
    return sum(parameter.nbytes for parameter in module.parameters() if parameter.requires_grad)


def block_bytes(method: nn.Module) -> int:
    """Of the parameters of the largest layer that FSDP gathers at a time; 0 where there is none."""
    return max((sum(parameter.nbytes for parameter in layer.parameters()) for layer in gathered_layers(method)), default=0)
