"""Where the right class of each image stands among all classes, and which class an image is taken for.

Dimensions: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from concord.benchmarks.ranking import TIE

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TILE = 2**20
"""Scores that are compared at a time."""


@dataclass(frozen=True)
class Standings:
    """What the scores [N, C] of a classification come to, with ties as `concord.benchmarks.ranking` has them.

    `argmax` gives a tie to the class with the lower label, and may so count a right answer that the model did not give;
    here nobody wins a tie. The two ways agree wherever the best score stands alone.

    Attributes:
        labels: [N] the right classes.
        better: [N] how many wrong classes score higher than the right one; all of them where a score is not a number.
        tied: [N] how many wrong classes tie with the right one.
        chosen: [N] the class that beats all others, -1 where the best ones tie.
        shared: [C, C] by right class, how often each class is chosen if the best ones that tie share the choice.
    """

    labels: Integers
    better: Integers
    tied: Integers
    chosen: Integers
    shared: Floats

    @property
    def classes(self) -> int:
        return len(self.shared)

    @property
    def ties(self) -> int:
        """How many images have a wrong class that ties with the right one."""
        return int((self.tied > 0).sum())

    def take(self, rows: Integers) -> Standings:
        """Some of the images; `shared` stays that of all."""
        return Standings(self.labels[rows], self.better[rows], self.tied[rows], self.chosen[rows], self.shared)

    def hits(self, k: int = 1) -> NDArray[np.bool_]:
        """Whether fewer than k wrong classes reach the score of the right one, [N]."""
        hits: NDArray[np.bool_] = self.better + self.tied < k
        return hits

    def expected(self, k: int = 1) -> Floats:
        """How likely the right class is among the first k, if those that tie stand in random order, [N]."""
        return np.clip((k - self.better) / (1 + self.tied), 0.0, 1.0)

    def confusion(self) -> Integers:
        """By right class, how often each class was chosen, [C, C]; images whose best classes tie stand nowhere."""
        decided = self.chosen >= 0
        cells = self.labels[decided] * self.classes + self.chosen[decided]
        return np.bincount(cells, minlength=self.classes**2).reshape(self.classes, self.classes)


def standings(scores: Tensor, labels: Tensor) -> Standings:
    """Compare the scores [N, C] of each image, C at least 2, with that of its right class; labels are [N] int64."""
    shared = torch.zeros(scores.shape[1], scores.shape[1], dtype=torch.float64)
    parts = [_compare(tile, labels[rows], shared) for rows, tile in _tiles(scores)]
    better, tied, chosen = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return Standings(labels.numpy(), better, tied, chosen, shared.numpy())


def group_counts(scores: Tensor, labels: Tensor, groups: Tensor) -> tuple[Floats, Floats]:
    """By image and group of classes, how many wrong classes score higher than the right one and how many tie with it, 2 x [N, G].

    Args:
        scores: [N, C].
        labels: [N] int64.
        groups: [C, G], 1 where a class belongs to a group; the columns are added up, so that classes may have weights.
    """
    better, tied = [], []
    for rows, tile in _tiles(scores):
        above, level = _against_right(tile, labels[rows])
        better.append(above.float() @ groups.float())
        tied.append(level.float() @ groups.float())
    return torch.cat(better).double().numpy(), torch.cat(tied).double().numpy()


def _compare(tile: Tensor, labels: Tensor, shared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    above, level = _against_right(tile, labels)
    best = tile.amax(dim=1, keepdim=True)  # not a number where one of them is not: then no class is chosen
    first = (tile >= best - _width(tile)) & best.isfinite()
    counts = first.sum(dim=1)
    chosen = torch.where(counts == 1, first.byte().argmax(dim=1), -1)
    decided, several = counts == 1, counts > 1
    shared.index_put_((labels[decided], chosen[decided]), torch.ones((), dtype=torch.float64), accumulate=True)
    shared.index_add_(0, labels[several], first[several].double() / counts[several, None])
    return above.sum(dim=1), level.sum(dim=1), chosen


def _against_right(tile: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which wrong classes beat the right one, and which tie with it, 2 x bool [n, C]."""
    right, width = tile.gather(1, labels[:, None]), _width(tile)
    above = ~(tile <= right + width)
    level = ~above & ~(tile < right - width)
    own = labels[:, None] == torch.arange(tile.shape[1])
    return (above | ~right.isfinite()) & ~own, level & right.isfinite() & ~own


def _width(tile: Tensor) -> Tensor:
    """Width of a tie by image, [n, 1]."""
    return TIE * tile.abs().masked_fill(~tile.isfinite(), 0.0).amax(dim=1, keepdim=True)


def _tiles(scores: Tensor) -> Iterator[tuple[slice, Tensor]]:
    height = max(1, TILE // scores.shape[1])
    for start in range(0, len(scores), height):
        rows = slice(start, start + height)
        yield rows, scores[rows]
