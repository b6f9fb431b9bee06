"""Stain augmentation: histology as another laboratory would have stained it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
import torch
from torch import Tensor

ABSORBED = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
"""How much of red, green and blue light haematoxylin, eosin and the rest absorb (Ruifrok & Johnston 2001); the rest is DAB's, which
sections stained with haematoxylin and eosin have none of."""

Three = tuple[float, float, float]


@dataclass(frozen=True)
class Stains:
    """A change of each stain's amount s to factor * s + shift (Tellez et al. 2018, "H&E stain augmentation").

    Amounts are parts of the optical density, -ln of the share of light that passes, split by `ABSORBED`. Brightness v of 0..255
    counts as the share (v + 1) / 256, so that black has a density too.

    Attributes:
        factors, shifts: of haematoxylin, eosin and the rest.
    """

    factors: Three
    shifts: Three

    def __call__(self, pixels: Tensor) -> Tensor:
        """uint8 [3, H, W] to the same."""
        absorbed = torch.tensor(ABSORBED, dtype=torch.float64)
        mixed = torch.linalg.inv(absorbed) @ torch.diag(torch.tensor(self.factors, dtype=torch.float64)) @ absorbed  # [3, 3]
        added = torch.tensor(self.shifts, dtype=torch.float64) @ absorbed  # [3]
        density = _densities()[pixels.flatten(1).int()]  # [3, H * W]
        changed = torch.addmm(added.float()[:, None], mixed.T.float(), density)
        return changed.neg_().exp_().mul_(256).sub_(1).round_().clamp_(0, 255).to(torch.uint8).view_as(pixels)


def draw_stains(most: float, rng: Random) -> Stains:
    """Factors in [1 - most, 1 + most] and shifts in [-most, most], each stain by itself."""
    factors = tuple(rng.uniform(1 - most, 1 + most) for _ in range(3))
    shifts = tuple(rng.uniform(-most, most) for _ in range(3))
    return Stains(factors, shifts)  # type: ignore[arg-type]


@cache
def _densities() -> Tensor:
    """By brightness, float32 [256]."""
    return torch.from_numpy(-np.log((np.arange(256) + 1) / 256)).float()
