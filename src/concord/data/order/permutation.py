"""A shuffle of n things as a function: no memory, any part at once."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

ROUNDS = 8


class Permutation:
    """A shuffle of range(n) that takes no memory and gives any part of itself at once.

    A Feistel network permutes the numbers of 2h bits, the fewest that cover n; positions that land outside of range(n) are
    permuted again until they land inside (cycle walking, Black and Rogaway 2002). It takes less than 4 passes on average.

    Args:
        size: n, at least 1.
        key: any text; another key gives another shuffle.
    """

    def __init__(self, size: int, key: str) -> None:
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}")
        self.size = size
        self._half = np.uint64(max(1, -(-(size - 1).bit_length() // 2)))
        self._mask = np.uint64((1 << int(self._half)) - 1)
        digest = blake2b(key.encode(), digest_size=8 * ROUNDS, person=b"order").digest()
        self._round_keys = np.frombuffer(digest, dtype="<u8")

    def __call__(self, positions: np.ndarray) -> np.ndarray:
        """Where each position, an integer in [0, n), goes: int64 of the same shape."""
        values = self._pass(positions.astype(np.uint64))
        while (outside := values >= self.size).any():
            values[outside] = self._pass(values[outside])
        return values.astype(np.int64)

    def _pass(self, values: np.ndarray) -> np.ndarray:
        left, right = values >> self._half, values & self._mask
        for key in self._round_keys:
            left, right = right, left ^ (mix(right ^ key) & self._mask)
        return (left << self._half) | right


def mix(values: np.ndarray) -> np.ndarray:
    """Spread every input bit over 64 output bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
