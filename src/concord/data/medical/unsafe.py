"""Augmentations that would make medical captions untrue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from concord.data.medical.modalities import Change, modality_named
from concord.data.views import Augmentation


@dataclass(frozen=True)
class Complaint:
    """One change that a recipe makes and a modality does not bear.

    Attributes:
        recipe: its name.
        change: what it does.
        amount, most: how much of it, and how much would be harmless; see `Limit`.
        modality: key of the modality.
        why: what comes of it.
    """

    recipe: str
    change: Change
    amount: float
    most: float
    modality: str
    why: str

    def __str__(self) -> str:
        limit = f"{self.amount:.3g}, above {self.most:g}" if self.most > 0 else f"{self.amount:.3g}"
        return f"recipe {self.recipe}: {self.change} ({limit}) is unsafe for {self.modality}: {self.why}"


def unsafe(recipes: Mapping[str, Augmentation], modalities: Iterable[str]) -> list[Complaint]:
    """What is wrong with recipes by name for pictures of these modalities, each once, in a fixed order.

    Local crops (`size` below 1) may be as small as they like: objectives hold them against another view, not against the text.

    Raises:
        ConfigError: for a modality that is not in the list.
    """
    shown = [modality_named(key) for key in sorted(set(modalities))]
    return [
        Complaint(name, change, done, limit.most, modality.key, limit.why)
        for name, recipe in recipes.items()
        for modality in shown
        for change, done in amounts(recipe).items()
        if (limit := modality.limits.get(change)) is not None and done > limit.most + 1e-9  # 1 - 0.7 is a little above 0.3
    ]


def amounts(recipe: Augmentation) -> dict[Change, float]:
    """How much of each change a recipe makes at most, in the units of `Limit`."""
    jitter = recipe.jitter > 0
    low, high = recipe.ratio if recipe.ratio is not None and recipe.scale is not None else (1.0, 1.0)
    return {
        "horizontal flip": recipe.flip,
        "vertical flip": recipe.vertical_flip,
        "quarter turns": recipe.quarter_turns,
        "rotation": recipe.rotation,
        "crop": 1 - recipe.scale[0] if recipe.scale is not None and recipe.size == 1 else 0.0,
        "stretch": max(high, 1 / low) - 1,
        "brightness": recipe.brightness if jitter else 0.0,
        "contrast": recipe.contrast if jitter else 0.0,
        "saturation": recipe.saturation if jitter else 0.0,
        "hue": recipe.hue if jitter else 0.0,
        "grey": recipe.grey,
        "stain": recipe.stain,
    }
