"""Holding examples out by their names, so that the same ones are held out wherever and however they are stored."""

from __future__ import annotations

from typing import Literal

import numpy as np

from concord.data.source import KeyedSource, number_for
from concord.data.wrapper import Selection
from concord.errors import DataError


class HashSplit(Selection):
    """The train or the held-out part of a source; which part an example is in depends on its key and the seed alone.

    Args:
        source: what is split.
        part: which part this is.
        held_out: share of examples in the held-out part, in (0, 1).
        seed: of the split, not of the run.

    Raises:
        ValueError: for a share outside its range, or a source whose examples have no keys.
        DataError: when the part is empty.
    """

    def __init__(self, source: KeyedSource, part: Literal["train", "held_out"], held_out: float = 0.1, seed: int = 0) -> None:
        if not 0 < held_out < 1:
            raise ValueError(f"held_out must lie in (0, 1), got {held_out}")
        if not isinstance(source, KeyedSource):
            raise ValueError(f"source must give keys without reading images, got {type(source).__name__}")
        shares = (share_of(source.key(index), seed) for index in range(len(source)))
        held = np.fromiter((share < held_out for share in shares), dtype=bool, count=len(source))
        super().__init__(source, np.flatnonzero(held if part == "held_out" else ~held))
        if not len(self):
            raise DataError(f"{source.name}: no example of {len(source)} falls into part {part} with held_out {held_out}")


def share_of(key: str, seed: int) -> float:
    """A number in [0, 1) that looks random and depends on the key and the seed alone."""
    return number_for(f"{seed}/{key}") / 2**64
