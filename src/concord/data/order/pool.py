"""Batches of captions of similar length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from concord.data.order.permutation import Permutation
from concord.data.order.sampling import Sampling, Visits
from concord.errors import ConfigError


class LengthPool:
    """Which positions of the stream make a global batch, when batches are formed by length.

    Every P consecutive positions are a pool. Its visits are sorted by length and cut into batches, whose order is shuffled; in
    a batch positions keep the order of the stream. Each position is in one batch, P - 1 places from where it stood at most.

    Args:
        sampling: what stands at each position.
        lengths: of the captions of some visits, [n].
        size: P, a multiple of the batch size and at least twice as large.
        batch_size: B, over all processes.
        key: another text shuffles otherwise.

    Raises:
        ConfigError: for a size that is none.
    """

    def __init__(self, sampling: Sampling, lengths: Callable[[Visits], np.ndarray], size: int, batch_size: int, key: str) -> None:
        if size % batch_size or size < 2 * batch_size:
            raise ConfigError(f"data.length_pool must be a multiple of data.batch_size {batch_size} and at least twice it, got {size}")
        self.sampling = sampling
        self.lengths = lengths
        self.size = size
        self.batch_size = batch_size
        self.key = key
        self._last: tuple[int, np.ndarray] | None = None

    def __call__(self, start: int) -> np.ndarray:
        """The positions, int64 [B] and rising, of the batch that stands at `start`, a multiple of B."""
        pool, place = divmod(start, self.size)
        if self._last is None or self._last[0] != pool:
            self._last = pool, self._batches(pool)
        return self._last[1][place // self.batch_size]

    def _batches(self, pool: int) -> np.ndarray:
        positions = np.arange(pool * self.size, (pool + 1) * self.size)
        by_length = np.argsort(self.lengths(self.sampling(positions)), kind="stable")
        batches = np.sort(positions[by_length].reshape(-1, self.batch_size), axis=1)
        return batches[Permutation(len(batches), f"{self.key}/pool/{pool}")(np.arange(len(batches)))]
