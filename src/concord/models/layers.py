"""The layers of a tower in the order in which it applies them: what layer-wise rates, unlocking, sharding and compilation count in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from timm.models import group_parameters
from torch import nn

from concord.models.dual_encoder import DualEncoder
from concord.models.image_tower import ImageTower


@dataclass(frozen=True)
class Layers:
    """A tower cut along its depth, as BEiT and timm number it.

    Attributes:
        depths: of each parameter, by its name in the tower: 0 for what comes before the first layer (patch and word embeddings,
            positions, class tokens), 1 to N for the layers, the final norm being part of the last one, N + 1 for what comes after
            them (poolers).
        count: N.
    """

    depths: dict[str, int]
    count: int


def layers_of(tower: nn.Module) -> Layers:
    """How deep in a tower its parameters lie. Those of an image tower are cut as timm cuts its model."""
    if not isinstance(tower, ImageTower):
        return _layers_of_list(tower)
    trunk: Any = tower.trunk
    inside: dict[str, int] = group_parameters(trunk, trunk.group_matcher(coarse=False), reverse=True)
    last = max((depth for name, depth in inside.items() if _matched(trunk, name)), default=0)
    # Whatever timm knows no place for, such as a head, comes after the layers.
    depths = {f"trunk.{name}": min(depth, last + 1) for name, depth in inside.items()}
    return Layers({name: depths.get(name, last + 1) for name, _ in tower.named_parameters()}, last)


def blocks_of(part: nn.Module) -> list[nn.Module]:
    """The repeated layers of a tower or a decoder, each a module that is called as a whole, from the input on."""
    if isinstance(part, ImageTower):
        patterns = _block_patterns(part.trunk)
        found = [(name, module) for name, module in part.trunk.named_modules() if any(re.fullmatch(p, name) for p in patterns)]
        return [module for _, module in found]
    return [block for layers in _lists(part).values() for block in layers]


def model_blocks(model: DualEncoder) -> list[nn.Module]:
    """The repeated layers of both towers and, where there is one, of the caption decoder."""
    parts = [model.image, model.text, *([] if model.decoder is None else [model.decoder])]
    return [block for part in parts for block in blocks_of(part)]


def gathered_layers(method: nn.Module) -> list[nn.Module]:
    """What FSDP splits, and gathers, one at a time: the layers of a method's `model`, and those inside of its `objectives`."""
    parts = (*method.get_submodule("model").children(), *method.get_submodule("objectives").modules())
    return list(dict.fromkeys(block for part in parts for block in blocks_of(part)))


def _layers_of_list(tower: nn.Module) -> Layers:
    """Of a tower whose layers stand in a list: parameters that are declared before it come before the layers."""
    name, layers = max(_lists(tower).items(), key=lambda item: len(item[1]), default=("", nn.ModuleList()))
    depths, met = {}, 0
    for parameter, _ in tower.named_parameters():
        inside = re.match(rf"{re.escape(name)}\.(\d+)\.", parameter) if name else None
        met = int(inside[1]) + 1 if inside else met and len(layers)
        depths[parameter] = met
    return Layers(depths, len(layers))


def _lists(part: nn.Module) -> dict[str, nn.ModuleList]:
    """The outermost lists of modules, by name."""
    lists: dict[str, nn.ModuleList] = {}
    for name, module in part.named_modules():
        if isinstance(module, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in lists):
            lists[name] = module
    return lists


def _block_patterns(trunk: Any) -> list[str]:
    """What timm says the names of the layers look like."""
    return [pattern for pattern, suffix in _specifications(trunk, "blocks") if suffix is None]


def _matched(trunk: Any, name: str) -> bool:
    groups = trunk.group_matcher(coarse=False)
    return any(re.match(pattern, name) for group in groups for pattern, _ in _specifications(trunk, group))


def _specifications(trunk: Any, group: str) -> list[tuple[str, Any]]:
    """timm's patterns of a group of parameters, each with its place among the others where it does not follow from a number."""
    given = trunk.group_matcher(coarse=False).get(group)
    if given is None:
        return []
    return [(given, None)] if isinstance(given, str) else [(pattern, suffix) for pattern, suffix in given]
