"""Optimizers and their parameter groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from timm.optim import create_optimizer_v2, list_optimizers  # type: ignore[attr-defined]
from torch import nn

from concord.errors import ConfigError, nearest
from concord.models.layers import Layers, layers_of

# Positions, view positions, class tokens and logit scales are not weights of a linear map; shrinking them towards zero only biases them.
_NEVER_DECAYED = re.compile(r"(^|[._])((view_|pos(ition(al)?)?_?)emb|(cls|class|mask|reg|register|dist)_?(token|emb)|logit_(scale|bias))")
_ELEMENTWISE = ("adam", "adamw", "lion", "nadam", "nadamw", "sgd")
"""Of timm's optimizers, those whose step looks at each number alone; others take norms or averages over a whole matrix."""

_TOWER = re.compile(r"^(model\.)?(image|text)\.")


def parameter_groups(module: nn.Module, settings: OptimizerSettings) -> list[dict[str, Any]]:
    """Trainable parameters by tower, by depth in it where the rate depends on that, and by whether weight decay applies.

    No decay on parameters with fewer than two dimensions (biases, norms, logit scale and bias), on embeddings of positions
    and class tokens, and on what a timm model names in `no_weight_decay()` (Radford et al. 2021, section 2.5). Frozen
    parameters are left out. Scalars are a group of their own, because they are never split among processes.

    Args:
        module: a method, whose towers are `model.image` and `model.text`, or any module.
        settings: rates, weight decay and their factors.

    Returns:
        Groups with `params`, `lr`, `weight_decay` and a `name` such as "image/decay", or "image/decay/3" for layer 3. Empty ones
        are left out.

    Raises:
        ConfigError: nothing can be trained, or a factor is given for a tower with nothing to train, or without layers.
    """
    exempt = _exempt_by_timm(module)
    rates = _Rates(module, settings)
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        tower = match.group(2) if (match := _TOWER.match(name)) else "other"
        decays = parameter.ndim >= 2 and name not in exempt and not _NEVER_DECAYED.search(name)
        kind = "decay" if decays else "no_decay" if parameter.ndim else "scalars"
        depth, rate = rates.of(name, tower)
        key = f"{tower}/{kind}" if depth is None else f"{tower}/{kind}/{depth}"
        empty = {"params": [], "lr": rate, "weight_decay": settings.weight_decay if decays else 0.0, "name": key}
        groups.setdefault(key, empty)["params"].append(parameter)
    _check_groups(groups, settings)
    return list(groups.values())


class _Rates:
    """The learning rate of each parameter: lr * tower's scale * layer_decay ^ (layers above it).

    The projection, which has the full rate, counts as a layer above the last one, as the head of a classifier does in BEiT
    (Bao et al. 2022) and timm.
    """

    def __init__(self, module: nn.Module, settings: OptimizerSettings) -> None:
        self.settings = settings
        self._layers: dict[str, Layers] = {}
        self._prefix = "model." if isinstance(getattr(module, "model", None), nn.Module) else ""
        for tower, decay in settings.layer_decays().items():
            part = f"{self._prefix}{tower}"
            if decay != 1.0 and any(p.requires_grad and name.startswith(f"{part}.") for name, p in module.named_parameters()):
                self._layers[tower] = layers_of(module.get_submodule(part))
                if self._layers[tower].count == 0:
                    raise ConfigError(f"optimizer.{tower}_layer_decay is {decay}, but the {tower} tower has no layers; remove it")

    def of(self, name: str, tower: str) -> tuple[int | None, float]:
        """A parameter's depth in its tower, None where it does not matter, and its rate."""
        rate = self.settings.lr * self.settings.lr_scales().get(tower, 1.0)
        if tower not in self._layers:
            return None, rate
        layers = self._layers[tower]
        depth = layers.depths[name.removeprefix(f"{self._prefix}{tower}.")]
        return depth, rate * self.settings.layer_decays()[tower] ** (layers.count + 1 - depth)


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """What every optimizer needs to be told.

    Args:
        lr: learning rate, above 0.
        weight_decay: of matrices and kernels, at least 0.
        image_lr_scale, text_lr_scale: factors on the learning rate of the towers, above 0; projections and heads keep `lr`.
        image_layer_decay, text_layer_decay: factors per layer from the top of a tower downwards, in (0, 1]; 1 gives all layers
            the tower's rate.
    """

    lr: float = 5e-4
    weight_decay: float = 0.2
    image_lr_scale: float = 1.0
    text_lr_scale: float = 1.0
    image_layer_decay: float = 1.0
    text_layer_decay: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lr", "image_lr_scale", "text_lr_scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay must be at least 0, got {self.weight_decay}")
        for tower, decay in self.layer_decays().items():
            if not 0 < decay <= 1:
                raise ValueError(f"{tower}_layer_decay must lie in (0, 1], got {decay}")

    @property
    def elementwise(self) -> bool:
        """Whether the step of each number depends on its own gradient alone, so that a process can make it for the rows it keeps."""
        raise NotImplementedError

    def lr_scales(self) -> dict[str, float]:
        return {"image": self.image_lr_scale, "text": self.text_lr_scale}

    def layer_decays(self) -> dict[str, float]:
        return {"image": self.image_layer_decay, "text": self.text_layer_decay}

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of the module's trainable parameters.

        Raises:
            ConfigError: see `parameter_groups`.
        """
        raise NotImplementedError

    def groups(self, module: nn.Module) -> list[dict[str, Any]]:
        return parameter_groups(module, self)


@dataclass(frozen=True, kw_only=True)
class AdamW(OptimizerSettings):
    """AdamW (Loshchilov & Hutter 2019) with CLIP's settings for a ViT, in PyTorch's fused form.

    Args:
        betas: decay rates of the two moments, each in [0, 1).
        eps: added to the denominator, above 0.
    """

    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must lie in [0, 1), got {self.betas}")
        if not self.eps > 0:
            raise ValueError(f"eps must be above 0, got {self.eps}")

    @property
    def elementwise(self) -> bool:
        return True

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        optimizer = torch.optim.AdamW(self.groups(module), lr=self.lr, betas=self.betas, eps=self.eps, fused=True)
        # A fused step offers to unscale fp16 gradients by itself. Clipping needs them unscaled before, so that offer is withdrawn.
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]
        return optimizer


@dataclass(frozen=True, kw_only=True)
class TimmOptimizer(OptimizerSettings):
    """Any optimizer that timm knows by name.

    Args:
        name: such as "lamb", "lion", "adafactor", "muon"; `timm.optim.list_optimizers()` names them all.
        options: further arguments of that optimizer, such as betas and eps.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [str(name) for name in list_optimizers()]
        if self.name not in known:
            raise ValueError(f"timm has no optimizer {self.name!r}; {nearest(self.name, known)}")

    @property
    def elementwise(self) -> bool:
        return self.name in _ELEMENTWISE

    def build(self, module: nn.Module) -> torch.optim.Optimizer:
        options: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in self.options.items()}
        groups = self.groups(module)
        try:
            return create_optimizer_v2(groups, opt=self.name, lr=self.lr, weight_decay=self.weight_decay, **options)
        except TypeError as error:
            raise ConfigError(f"optimizer.options does not fit timm's {self.name}: {error}") from None


def _exempt_by_timm(module: nn.Module) -> set[str]:
    exempt = set()
    for prefix, part in module.named_modules():
        if callable(names := getattr(part, "no_weight_decay", None)):
            exempt |= {f"{prefix}.{name}" if prefix else name for name in names()}
    return exempt


def _check_groups(groups: Mapping[str, Any], settings: OptimizerSettings) -> None:
    if not groups:
        raise ConfigError("nothing can be trained: every parameter is frozen")
    factors = {f"{tower}_lr_scale": scale for tower, scale in settings.lr_scales().items()}
    factors |= {f"{tower}_layer_decay": decay for tower, decay in settings.layer_decays().items()}
    for name, factor in factors.items():
        tower = name.partition("_")[0]
        if factor != 1.0 and not any(key.startswith(f"{tower}/") for key in groups):
            raise ConfigError(f"optimizer.{name} is {factor}, but the {tower} tower has no trainable parameter; remove it")
