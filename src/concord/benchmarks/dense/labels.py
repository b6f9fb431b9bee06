"""From maps of words to a class for every pixel.

Dimensions: M words, C classes, h x w the maps, H x W the mask.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from concord.benchmarks.ranking import TIE

NOTHING = -1
"""The label of a pixel where several classes tie."""


@dataclass(frozen=True)
class Rule:
    """How classes are told from maps of words.

    Attributes:
        scale: what cosines are multiplied with before the softmax over words.
        background: class 0 takes the pixels at which no word reaches this probability; None where there is no background.
        min_area: classes other than the background that take less than this share of what these classes take together are
            left out (SCLIP on VOC with background); None for none.
    """

    scale: float
    background: float | None = None
    min_area: float | None = None

    def labels(self, maps: Tensor, sizes: Sequence[int], shape: tuple[int, int]) -> NDArray[np.int64]:
        """The class of each pixel, [H, W]: that of the word that fits best, strictly better than the words of any other class.

        Args:
            maps: cosines [M, h, w].
            sizes: by class, how many neighbouring words it has.
            shape: H and W.
        """
        found, best = self._best(maps, sizes, shape, range(len(sizes)))
        if self.min_area is not None:
            areas = torch.bincount(found[found > 0], minlength=len(sizes))
            kept = {0, *torch.nonzero(areas > self.min_area * areas.sum()).flatten().tolist()}
            if areas.any() and len(kept) < len(sizes):
                found, best = self._best(maps, sizes, shape, kept)
        if self.background is not None:
            total = torch.full(shape, -torch.inf)
            for own in torch.split(maps, list(sizes)):
                total = torch.logaddexp(total, (self.scale * _enlarged(own, shape)).logsumexp(dim=0))
            found[torch.exp(self.scale * best - total) < self.background] = 0
        return found.numpy()

    def _best(self, maps: Tensor, sizes: Sequence[int], shape: tuple[int, int], among: Collection[int]) -> tuple[Tensor, Tensor]:
        """Labels int64 [H, W] and the cosine of the best word. One class after another, as all maps at full size may not fit."""
        best, second = torch.full(shape, -torch.inf), torch.full(shape, -torch.inf)
        found = torch.full(shape, NOTHING)
        for label, own in enumerate(torch.split(maps, list(sizes))):
            if label in among:
                score = _enlarged(own, shape).amax(dim=0)
                second = torch.maximum(second, torch.minimum(best, score))
                found[score > best] = label
                best = torch.maximum(best, score)
        found[~(best - second > TIE * maps.abs().max())] = NOTHING
        return found, best


def _enlarged(maps: Tensor, shape: tuple[int, int]) -> Tensor:
    return F.interpolate(maps[None], shape, mode="bilinear")[0]
