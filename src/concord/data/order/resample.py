"""Sampling with replacement."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from concord.data.order.permutation import mix
from concord.data.order.sampling import Sampling, Setting, Visits
from concord.data.source import Source


class Resample:
    """Every example at every position with the same probability, whatever was drawn before; as exactly repeatable as a shuffle.

    After as many draws as there are examples, about 37% of them have not been seen. There are no epochs: the position takes
    their place, so that every visit of an example draws its own augmentation.
    """

    def over(self, source: Source, key: str) -> Sampling:
        return _Resampled(len(source), key)

    def settings(self) -> dict[str, Setting]:
        return {"order": "resample"}


class _Resampled:
    def __init__(self, size: int, key: str) -> None:
        self.size = size
        digest = blake2b(key.encode(), digest_size=16, person=b"resample").digest()
        self._keys = np.frombuffer(digest, dtype="<u8")

    def __call__(self, positions: np.ndarray) -> Visits:
        drawn = mix(mix(positions.astype(np.uint64) ^ self._keys[0]) + self._keys[1])
        return Visits(positions, (drawn % np.uint64(self.size)).astype(np.int64))  # off uniform by size / 2^64 at most

    def later(self, position: int, distance: int) -> Visits:
        return self(np.array([position + distance]))

    def settings(self) -> dict[str, Setting]:
        return {"examples": self.size}
