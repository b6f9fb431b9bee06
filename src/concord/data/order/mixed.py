"""The order of a mixture: the orders of its sources, interleaved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from concord.data.order.sampling import Sampling, Setting, Visits
from concord.data.order.slots import Slots


class Mixed:
    """Every source goes through its own epochs at its own pace; `slots` says which of them is next.

    Args:
        samplings: of the k sources.
        offsets: index of each source's first example in the mixture, int64 [k].
        slots: from positions to sources and draws.
        settings: what the slots and the samplings depend on.
    """

    def __init__(self, samplings: Sequence[Sampling], offsets: np.ndarray, slots: Slots, settings: Mapping[str, Setting]) -> None:
        self.samplings = list(samplings)
        self.offsets = offsets
        self.slots = slots
        self._settings = dict(settings)

    def __call__(self, positions: np.ndarray) -> Visits:
        sources, draws = self.slots(positions)
        visits = Visits(np.empty_like(positions), np.empty_like(positions))
        for source in np.unique(sources).tolist():
            chosen = sources == source
            visits.epochs[chosen], visits.indices[chosen] = self._draw(source, draws[chosen])
        return visits

    def later(self, position: int, distance: int) -> Visits:
        sources, draws = self.slots(np.array([position]))
        return self._draw(int(sources[0]), draws + distance)

    def settings(self) -> dict[str, Setting]:
        return dict(self._settings)

    def _draw(self, source: int, draws: np.ndarray) -> Visits:
        epochs, indices = self.samplings[source](draws)
        return Visits(epochs, indices + self.offsets[source])
