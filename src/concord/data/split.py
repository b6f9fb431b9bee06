"""Holding examples out by their names, so that the same ones are held out wherever and however they are stored."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

import numpy as np

from concord.data.source import KeyedSource
from concord.errors import DataError
from concord.types import Pair


class HashSplit:
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
        self.source = source
        self.name = source.name
        shares = (share_of(source.key(index), seed) for index in range(len(source)))
        held = np.fromiter((share < held_out for share in shares), dtype=bool, count=len(source))
        self._indices = np.flatnonzero(held if part == "held_out" else ~held)
        if not len(self._indices):
            raise DataError(f"{source.name}: no example of {len(source)} falls into part {part} with held_out {held_out}")

    def __len__(self) -> int:
        return len(self._indices)

    def key(self, index: int) -> str:
        return self.source.key(int(self._indices[index]))

    def captions(self, index: int) -> tuple[str, ...]:
        return self.source.captions(int(self._indices[index]))

    def __getitem__(self, index: int) -> Pair:
        return self.source[int(self._indices[index])]


def share_of(key: str, seed: int) -> float:
    """A number in [0, 1) that looks random and depends on the key and the seed alone."""
    digest = blake2b(f"{seed}/{key}".encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
