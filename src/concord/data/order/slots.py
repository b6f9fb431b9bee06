"""Which source of a mixture stands where: rounds of slots, of which every source has a fixed number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import blake2b

import numpy as np

from concord.data.order.permutation import Permutation, mix

ROUND = 100_000
"""Slots in a round, or nearly: shares are exact to one in as many."""


def largest_remainder(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers [k] that add up to `total` and are as near to the shares as that allows (Hamilton's method).

    Args:
        shares: [k], adding up to 1.
    """
    exact = shares * total
    quotas = np.floor(exact).astype(np.int64)
    missing = total - int(quotas.sum())
    quotas[np.argsort(quotas - exact, kind="stable")[:missing]] += 1
    return quotas


class Slots(ABC):
    """From positions to sources, and to how often each source was drawn before.

    A round has `quotas` units of each source; a unit is one example, or where batches are of one source a whole batch. Draws
    of a source are numbered as the stream goes. The table of the last round is kept: 16 bytes for each of its slots.

    Args:
        quotas: units of each of the k sources in a round, int64 [k].
        unit: examples in a unit.
        key: another text arranges otherwise.
    """

    def __init__(self, quotas: np.ndarray, unit: int, key: str) -> None:
        self.quotas = quotas
        self.unit = unit
        self.key = key
        self._last: tuple[int, np.ndarray, np.ndarray] | None = None

    @abstractmethod
    def arrange(self, number: int) -> np.ndarray:
        """The source at each slot of a round, integers [slots]."""

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each position its source and that source's draw, int64 [n] both."""
        units, places = np.divmod(positions, self.unit)
        rounds, slots = np.divmod(units, int(self.quotas.sum()))
        sources, draws = np.empty_like(positions), np.empty_like(positions)
        for number in np.unique(rounds).tolist():
            chosen = rounds == number
            arranged, ranks = self._table(number)
            sources[chosen] = arranged[slots[chosen]]
            draws[chosen] = ranks[slots[chosen]]
        return sources, (rounds * self.quotas[sources] + draws) * self.unit + places

    def _table(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        if self._last is None or self._last[0] != number:
            arranged = self.arrange(number)
            self._last = number, arranged, _ranks(arranged, self.quotas)
        return self._last[1:]


class Scattered(Slots):
    """Sources stand anywhere in a round, every arrangement as likely as any other."""

    def arrange(self, number: int) -> np.ndarray:
        slots = np.arange(int(self.quotas.sum()))
        return np.searchsorted(np.cumsum(self.quotas), Permutation(len(slots), f"{self.key}/{number}")(slots), side="right")


class Stratified(Slots):
    """Every batch holds the same shares: a source with share s has s B rows of each, rounded up or down.

    Args:
        quotas: rows of each of the k sources in a round, int64 [k]; they add up to a multiple of B.
        batch_size: B.
        key: another text arranges otherwise.
    """

    def __init__(self, quotas: np.ndarray, batch_size: int, key: str) -> None:
        super().__init__(quotas, 1, key)
        self.batch_size = batch_size

    def arrange(self, number: int) -> np.ndarray:
        counts = self._counts(number)
        sources = np.tile(np.arange(len(self.quotas)), len(counts))
        rows = np.repeat(sources, counts.ravel()).reshape(len(counts), self.batch_size)
        noise = blake2b(f"{self.key}/{number}/rows".encode(), digest_size=8).digest()
        drawn = mix(np.arange(rows.size, dtype=np.uint64) ^ np.frombuffer(noise, dtype="<u8"))
        return np.take_along_axis(rows, np.argsort(drawn.reshape(rows.shape), axis=1), axis=1).ravel()

    def _counts(self, number: int) -> np.ndarray:
        """Rows of each source in each batch of a round, [batches, k].

        Every batch has the whole part of what a source is due. What remains of the sources is laid end to end in a line that
        is wound round the batches (McNaughton 1959): each batch gets as many more, and none two of one source.
        """
        batches = int(self.quotas.sum()) // self.batch_size
        base, extra = np.divmod(self.quotas, batches)
        line = np.repeat(np.arange(len(extra)), extra)
        counts = np.tile(base, (batches, 1))
        np.add.at(counts, (np.arange(len(line)) % batches, line), 1)
        return counts[Permutation(batches, f"{self.key}/{number}")(np.arange(batches))]


def _ranks(sources: np.ndarray, quotas: np.ndarray) -> np.ndarray:
    """How many earlier slots hold the same source, int64 [slots]."""
    ranks = np.empty(len(sources), dtype=np.int64)
    by_source = np.argsort(sources, kind="stable")
    ranks[by_source] = np.arange(len(sources)) - np.repeat(np.cumsum(quotas) - quotas, quotas)
    return ranks
