"""Which example stands where: the order of training as a pure function of (seed, epoch, position)."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from concord.errors import ConfigError

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
            left, right = right, left ^ (_mix(right ^ key) & self._mask)
        return (left << self._half) | right


def _mix(values: np.ndarray) -> np.ndarray:
    """Spread every input bit over 64 output bits (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class TrainingOrder:
    """An endless sequence of global batches, and this process's rows of each.

    Epoch e visits the examples in the order of a shuffle made from (seed, e), in batches of B. The n mod B examples at the
    end of the shuffle are left out; they are others in every epoch. Rank r of W takes rows r B / W to (r + 1) B / W, so that
    the global batches do not depend on W.

    Args:
        examples: n.
        batch_size: B, over all processes.
        seed: of the shuffles.
        rank, world: this process, among how many.

    Raises:
        ConfigError: when there are fewer examples than one batch, or B does not divide among the processes.
    """

    def __init__(self, examples: int, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if batch_size < 1:
            raise ConfigError(f"data.batch_size must be at least 1, got {batch_size}")
        if batch_size % world:
            raise ConfigError(f"data.batch_size {batch_size} does not divide among {world} processes; choose a multiple of {world}")
        if examples < batch_size:
            raise ConfigError(
                f"data.batch_size {batch_size} is larger than the data, which hold {examples} examples; choose at most {examples}"
            )
        self.examples = examples
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.batches_per_epoch = examples // batch_size
        self._shuffle: tuple[int, Permutation] | None = None

    def rows(self, batch: int) -> tuple[int, list[int]]:
        """The epoch of global batch number `batch`, counted from 0 over all epochs, and this process's examples of it."""
        epoch, place = divmod(batch, self.batches_per_epoch)
        size = self.batch_size // self.world
        start = place * self.batch_size + self.rank * size
        return epoch, self._permutation(epoch)(np.arange(start, start + size)).tolist()

    def row(self, batch: int, row: int) -> tuple[int, int]:
        """The epoch, and this process's example number `row` of global batch `batch`."""
        epoch, indices = self.rows(batch)
        return epoch, indices[row]

    def _permutation(self, epoch: int) -> Permutation:
        if self._shuffle is None or self._shuffle[0] != epoch:
            self._shuffle = epoch, Permutation(self.examples, f"{self.seed}/{epoch}")
        return self._shuffle[1]
