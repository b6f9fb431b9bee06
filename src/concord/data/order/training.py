"""Global batches, and one process's rows of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from concord.data.order.pool import LengthPool
from concord.data.order.sampling import Sampling
from concord.errors import ConfigError


class TrainingOrder:
    """An endless sequence of examples, cut into global batches, and this process's rows of each.

    The batch that starts at position p holds positions p to p + B - 1. The remainder policy: nothing is dropped and nothing
    is padded; epochs follow one another without a gap, so that a batch across the border of two epochs holds the last
    examples of one and the first of the other, among which one example may stand twice. Every batch is full, and every
    process takes part in every batch: rank r of W takes rows r B / W to (r + 1) B / W. What stands at a position depends on
    neither B nor W, unless the sampling or a pool forms the batches.

    Args:
        sampling: what stands at each position.
        examples: n, for the check below.
        batch_size: B, over all processes.
        rank, world: this process, among how many.
        pool: forms the batches, in place of the positions in their order.

    Raises:
        ConfigError: when there are fewer examples than one batch, or B does not divide among the processes.
    """

    def __init__(
        self, sampling: Sampling, examples: int, batch_size: int, rank: int = 0, world: int = 1, pool: LengthPool | None = None
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"data.batch_size must be at least 1, got {batch_size}")
        if batch_size % world:
            raise ConfigError(f"data.batch_size {batch_size} does not divide among {world} processes; choose a multiple of {world}")
        if examples < batch_size:
            raise ConfigError(
                f"data.batch_size {batch_size} is larger than the data, which hold {examples} examples; choose at most {examples}"
            )
        self.sampling = sampling
        self.batch_size = batch_size
        self.rank = rank
        self.world = world
        self.pool = pool

    def rows(self, start: int) -> list[tuple[int, int]]:
        """Epoch and index of this process's examples in the global batch that starts at position `start`."""
        epochs, indices = self.sampling(self._positions(start))
        return list(zip(epochs.tolist(), indices.tolist(), strict=True))

    def replacements(self, start: int, row: int) -> Iterator[tuple[int, int]]:
        """Epochs and indices of what may stand in for one of `rows(start)`, without end.

        They are the examples one, two, three, ... batches (with a pool: pools) later in the same place, counted within the
        row's own source, so that a mixture keeps its shares. Rows of one batch never share a replacement, and within an epoch
        none is in the batch already. A replacement is seen once more when its own turn comes.
        """
        position = int(self._positions(start)[row])
        stride = self.pool.size if self.pool is not None else self.batch_size
        for distance in itertools.count(stride, stride):
            epochs, indices = self.sampling.later(position, distance)
            yield int(epochs[0]), int(indices[0])

    def _positions(self, start: int) -> np.ndarray:
        size = self.batch_size // self.world
        mine = slice(self.rank * size, (self.rank + 1) * size)
        if self.pool is not None:
            return self.pool(start)[mine]
        return np.arange(start + mine.start, start + mine.stop)
