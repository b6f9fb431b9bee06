"""Low-rank adapters (LoRA, Hu et al. 2022): W x + (alpha / rank) B A x beside frozen weights W, by the package peft.

Dimensions: O outputs, I inputs, R rank.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from concord.errors import ConfigError, MissingExtraError
from concord.models.layers import blocks_of

AdapterTargets = Literal["attention", "mlp", "all"]
"""Which linear maps of a layer: those in its attention, those outside of it, or both."""

_BASE, _DOWN, _UP = ".base_layer.", ".lora_A.default.weight", ".lora_B.default.weight"


def add_adapters(tower: nn.Module, rank: int, alpha: float, dropout: float, targets: AdapterTargets) -> None:
    """Put an adapter beside the linear maps of a tower's layers, in place, and freeze everything else in the tower.

    They begin as zero: the tower computes what it did.

    Args:
        tower: with layers that hold linear maps.
        rank: R.
        alpha: adapters are scaled by alpha / R.
        dropout: rate on what enters an adapter.
        targets: which linear maps.

    Raises:
        MissingExtraError: peft is not installed.
        ConfigError: the tower has no such maps.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError("peft", "lora") from error
    names = _linear_maps(tower, targets)
    if not names:
        raise ConfigError(f"lora.targets={targets}: a {type(tower).__name__} has no such linear maps in its layers")
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=names)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what peft would like towers of Hugging Face to be
        inject_adapter_in_model(config, tower)
    for name, parameter in tower.named_parameters():
        parameter.requires_grad_(".lora_" in name)


def merged(weights: Mapping[str, Tensor], scales: Mapping[str, float]) -> dict[str, Tensor]:
    """The weights of the same model without adapters: W + (alpha / rank) B A under the names that the maps had before.

    Args:
        weights: of a dual encoder, by name.
        scales: alpha / rank of each tower that has adapters, by its name in the model.

    Raises:
        KeyError: an adapter of which one half is missing.
    """
    plain = {}
    for name, weight in weights.items():
        if ".lora_" in name:
            continue
        scale = scales.get(name.partition(".")[0])
        if scale is None or _BASE not in name:
            plain[name] = weight
            continue
        stem, _, kind = name.rpartition(_BASE)
        if kind == "weight":
            product = weights[stem + _UP].double() @ weights[stem + _DOWN].double()  # [O, R] @ [R, I]
            weight = (weight.double() + scale * product).to(weight.dtype)
        plain[f"{stem}.{kind}"] = weight
    return plain


def without_adapters(name: str) -> str | None:
    """What a weight of a model with adapters is called in the same model without them; None for one of an adapter."""
    return None if ".lora_" in name else name.replace(_BASE, ".")


def _linear_maps(tower: nn.Module, targets: AdapterTargets) -> list[str]:
    """The full names of the linear maps inside a tower's layers."""
    inside = {id(module) for block in blocks_of(tower) for module in block.modules()}
    found = []
    for name, module in tower.named_modules():
        attends = any("attn" in part.lower() or "attention" in part.lower() for part in name.split("."))
        wanted = targets == "all" or (targets == "attention") == attends
        if isinstance(module, nn.Linear) and id(module) in inside and wanted:
            found.append(name)
    return found
