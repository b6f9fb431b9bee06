"""Several sources at once, each with its share of the examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from concord.data.filters import Filter, Filtered
from concord.data.joined import Joined
from concord.data.order import ROUND, Mixed, Order, Sampling, Scattered, Setting, Slots, Stratified, largest_remainder
from concord.data.source import Source
from concord.data.wrapper import Wrapper
from concord.errors import ConfigError, nearest
from concord.types import Pair

MixedBatches = Literal["mixed", "stratified", "single"]


class Mixture(Joined):
    """Pairs of several sources, drawn by weight: each source goes through its own epochs at its own pace.

    The index of an example is its index in its source after the examples of the sources before; pairs carry the name that
    their source has here. Shares hold in every round of about 100,000 examples (for "single": batches), to one example.

    Args:
        sources: by name.
        weights: of the sources, any positive numbers; the numbers of their examples when not given.
        temperature: T; shares are proportional to weight^(1/T). Above 1 small sources gain.
        batches: "mixed": each example of a batch may come from any source; "stratified": every batch holds the same shares, to
            one example; "single": all examples of a batch come from one source. The latter two depend on the batch size.

    Attributes:
        shares: of the examples that training reads, by name; they add up to 1.

    Raises:
        ValueError: for weights that do not match the sources, numbers outside their range, a source without examples, a
            mixture in a mixture, and a share too small to get an example in a round.
    """

    def __init__(
        self,
        sources: dict[str, Source],
        weights: dict[str, float] | None = None,
        temperature: float = 1.0,
        batches: MixedBatches = "mixed",
    ) -> None:
        if not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be positive and finite, got {temperature}")
        for name, source in sources.items():
            if holds_mixture(source):
                raise ValueError(f"sources: {name} is a mixture itself; name its sources here, with their weights")
        super().__init__(sources)
        self.weights = weights
        self.temperature = temperature
        self.batches: MixedBatches = batches
        sizes = {name: len(source) for name, source in sources.items()}
        self.shares = _shares(sizes if weights is None else _checked(weights, sizes), temperature)
        self._quotas(ROUND)

    def __getitem__(self, index: int) -> Pair:
        return replace(super().__getitem__(index), source=list(self.sources)[self._part(index)])

    def sampling(self, order: Order, key: str, batch_size: int) -> Sampling:
        """The order of training: `order` within each source, and among the sources as `batches` says.

        Raises:
            ValueError: for a share too small to get an example in a round of so large batches.
        """
        samplings = {name: order.over(source, f"{key}/{name}") for name, source in self.sources.items()}
        settings: dict[str, Setting] = {"source.batches": self.batches}
        for name, sampling in samplings.items():
            settings |= {f"source.sources.{name}.{setting}": value for setting, value in sampling.settings().items()}
        settings |= {f"source.weights.{name}": round(share, 6) for name, share in self.shares.items()}
        if self.batches != "mixed":
            settings["batch_size"] = batch_size
        offsets = np.array([self._start(part) for part in range(len(samplings))])
        return Mixed(list(samplings.values()), offsets, self._slots(f"{key}/mixture", batch_size), settings)

    def _slots(self, key: str, batch_size: int) -> Slots:
        if self.batches == "stratified":
            return Stratified(self._quotas(max(1, ROUND // batch_size) * batch_size), batch_size, key)
        return Scattered(self._quotas(ROUND), batch_size if self.batches == "single" else 1, key)

    def _quotas(self, slots: int) -> np.ndarray:
        quotas = largest_remainder(np.array(list(self.shares.values())), slots)
        if not quotas.all():
            name = list(self.shares)[int(np.argmin(quotas))]
            raise ValueError(f"weights: {name} has a share of {self.shares[name]:.1e}, less than one in {slots:,}; give it a larger weight")
        return quotas


def holds_mixture(source: Source) -> bool:
    """Whether a source is a mixture or made of one, whose weights would then be lost."""
    return isinstance(source, Mixture) or (isinstance(source, Wrapper) and any(map(holds_mixture, source.inside)))


def sampling_of(source: Source, order: Order, key: str, batch_size: int) -> Sampling:
    """The order of training on any source.

    Raises:
        ConfigError: for a source made of a mixture, in which the weights would be lost.
    """
    if isinstance(source, Mixture):
        return source.sampling(order, key, batch_size)
    if holds_mixture(source):
        raise ConfigError("data.source wraps a mixture, which would lose its weights; wrap each of its sources instead")
    return order.over(source, key)


def filtered(source: Source, filters: Mapping[str, Filter], cache: str | None) -> Source:
    """Any source without what filters drop; of a mixture each part is filtered by itself. See `Filtered`."""
    if not filters:
        return source
    if not isinstance(source, Mixture):
        return Filtered(source, filters, cache=cache)
    parts: dict[str, Source] = {name: Filtered(part, filters, cache=cache) for name, part in source.sources.items()}
    return Mixture(parts, source.weights, source.temperature, source.batches)


def _checked(weights: Mapping[str, float], sizes: Mapping[str, int]) -> Mapping[str, float]:
    """The weights in the order of the sources."""
    for name, weight in weights.items():
        if name not in sizes:
            raise ValueError(f"weights: there is no source {name}; {nearest(name, sizes)}")
        if not 0 < weight < math.inf:
            raise ValueError(f"weights: {name} must be positive and finite, got {weight}")
    missing = [name for name in sizes if name not in weights]
    if missing:
        raise ValueError(f"weights: source {missing[0]} has none; give one to each of {', '.join(sizes)}")
    return {name: weights[name] for name in sizes}


def _shares(weights: Mapping[str, float], temperature: float) -> dict[str, float]:
    largest = max(weights.values())  # divided by before the power, which would overflow for a small temperature
    scaled = {name: (weight / largest) ** (1 / temperature) for name, weight in weights.items()}
    return {name: value / sum(scaled.values()) for name, value in scaled.items()}
