"""Which training examples a probe sees: draws that keep the classes' shares, and whole units together.

Dimensions: N examples, C classes, U units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def strata_of(labels: NDArray) -> Integers:
    """One number per example, [N], for draws that keep the classes' shares.

    Of labels [N] these themselves. Of labels [N, C] of several classes the rarest class that an example is of, C for none.
    """
    if labels.ndim == 1:
        return labels.astype(np.int64)
    present = labels == 1
    rarity = np.where(present, present.sum(axis=0), len(labels) + 1)
    return np.where(present.any(axis=1), rarity.argmin(axis=1), labels.shape[1])


def fraction(strata: Integers, units: Integers, share: float, rng: np.random.Generator) -> Integers:
    """The rows of a share of the units of each stratum, at least of one, in order; a smaller share is part of a larger one.

    Args:
        strata: [N].
        units: [N] what belongs together, such as a patient; it goes with the stratum of its first example.
        share: in (0, 1].
        rng: decides the draws.
    """
    return _rows(units, [own[: _part(share, len(own))] for own in _shuffled(strata, units, rng)])


def held_out(strata: Integers, units: Integers, share: float, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """The rows to train on, and those of a share of the units of each stratum to choose settings on.

    A stratum of several units has at least one on either side, and one of a single unit is trained on.
    """
    parts = _shuffled(strata, units, rng)
    sizes = [min(max(1, round(share * len(own))), len(own) - 1) for own in parts]
    chosen = _rows(units, [own[:size] for own, size in zip(parts, sizes, strict=True)])
    return np.setdiff1d(np.arange(len(units)), chosen), chosen


def shots(labels: Integers, each: int, spare: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """The rows of `each` examples per class to train on, and of `spare` further ones to choose settings on, none if that is 0.

    A class that has fewer keeps a fifth of what it has, at least one, for the choice, and trains on the rest; a single example is
    trained on.
    """
    trained, chosen = [], []
    for own in _shuffled(labels, np.arange(len(labels)), rng):
        fifth = max(1, len(own) // 5) if len(own) > 1 else 0
        kept = min(spare, max(len(own) - each, fifth))
        trained.append(own[: min(each, len(own) - kept)])
        chosen.append(own[len(own) - kept :])
    return np.sort(np.concatenate(trained)), np.sort(np.concatenate(chosen))


def _shuffled(strata: Integers, units: Integers, rng: np.random.Generator) -> list[Integers]:
    """The units of each stratum in random order."""
    names, first = np.unique(units, return_index=True)
    own = strata[first]
    return [rng.permutation(names[own == stratum]) for stratum in np.unique(own)]


def _part(share: float, count: int) -> int:
    return max(1, math.ceil(share * count - 1e-9))  # 0.1 * 30 is more than 3 in binary numbers


def _rows(units: Integers, chosen: Sequence[Integers]) -> Integers:
    return np.flatnonzero(np.isin(units, np.concatenate(chosen)))
