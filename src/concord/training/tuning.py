"""What of a model is trained: everything, its last layers, adapters beside frozen weights, or nothing of a tower."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from torch import nn

from concord.errors import ConfigError
from concord.models import DualEncoder
from concord.models.adapters import AdapterTargets, add_adapters
from concord.models.layers import layers_of


@dataclass(frozen=True, kw_only=True)
class LoRA:
    """Low-rank adapters beside frozen linear maps (Hu et al. 2022). The checkpoint is loaded and exported with them merged.

    Args:
        rank: of the adapters, at least 1.
        alpha: they are scaled by alpha / rank, above 0.
        dropout: rate on what enters an adapter, in [0, 1).
        targets: the linear maps of the layers that get one: those of the "attention", of the "mlp", or "all".
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: AdapterTargets = "attention"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")
        if not self.alpha > 0:
            raise ValueError(f"alpha must be above 0, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}")
        if self.targets not in get_args(AdapterTargets):
            raise ValueError(f"targets must be one of {', '.join(get_args(AdapterTargets))}, got {self.targets!r}")

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


@dataclass(frozen=True, kw_only=True)
class TowerTuning:
    """What of a tower is trained. Its projection is trained in any case.

    Args:
        unlocked_layers: how many of its last layers are trained, with the final norm and the pooler; 0 locks the whole tower, as
            LiT does; None trains all of it, embeddings included.
        lora: adapters that are trained instead of the tower's own weights, or None.
    """

    unlocked_layers: int | None = None
    lora: LoRA | None = None

    def __post_init__(self) -> None:
        if self.unlocked_layers is not None and self.unlocked_layers < 0:
            raise ValueError(f"unlocked_layers must be at least 0 or null, got {self.unlocked_layers}")
        if self.unlocked_layers is not None and self.lora is not None:
            raise ValueError("unlocked_layers must be null beside lora, which locks all weights of the tower itself")

    def apply(self, tower: nn.Module) -> None:
        """Freeze what is not trained, in place.

        Raises:
            ConfigError: more layers than there are, or no place for adapters.
            MissingExtraError: adapters without peft.
        """
        if self.lora is not None:
            add_adapters(tower, self.lora.rank, self.lora.alpha, self.lora.dropout, self.lora.targets)
        if self.unlocked_layers is not None:
            unlock_last(tower, self.unlocked_layers)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What of a model is trained, per tower.

    Args:
        image, text: of the two towers.
    """

    image: TowerTuning = field(default_factory=TowerTuning)
    text: TowerTuning = field(default_factory=TowerTuning)

    def apply(self, model: DualEncoder) -> None:
        """Freeze what is not trained, in place.

        Raises:
            ConfigError: naming the key, as `TowerTuning.apply`.
            MissingExtraError: adapters without peft.
        """
        for name, tuning, tower in (("image", self.image, model.image), ("text", self.text, model.text)):
            try:
                tuning.apply(tower)
            except ConfigError as error:
                raise ConfigError(f"tuning.{name}.{error}") from None

    def adapter_scales(self) -> dict[str, float]:
        """alpha / rank of the towers that have adapters, by their name in the model: what merging needs to know."""
        towers = {"image": self.image, "text": self.text}
        return {name: tower.lora.scale for name, tower in towers.items() if tower.lora is not None}


def unlock_last(tower: nn.Module, count: int) -> None:
    """Train only the last `count` layers of a tower, with what comes after them; the rest is frozen, in evaluation mode for good."""
    layers = layers_of(tower)
    if count > layers.count:
        raise ConfigError(f"unlocked_layers is {count}, but the tower has {layers.count} layers")
    lowest = layers.count - count if count > 0 else layers.count + 1
    for name, parameter in tower.named_parameters():
        parameter.requires_grad_(layers.depths[name] > lowest)
    _lock_frozen(tower)


def lock(module: nn.Module) -> None:
    """Freeze a part for good: no gradients, and evaluation mode whatever mode its owner is in (dropout, batch statistics)."""
    module.requires_grad_(False)
    module.eval()
    module.train = lambda mode=True: module  # type: ignore[method-assign]


def _lock_frozen(module: nn.Module) -> None:
    """Lock the largest parts in which nothing is trained."""
    if not any(parameter.requires_grad for parameter in module.parameters()):
        lock(module)
        return
    for child in module.children():
        if any(True for _ in child.parameters()):
            _lock_frozen(child)
