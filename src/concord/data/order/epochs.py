"""Sampling without replacement: one epoch after another, each with an arrangement of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from concord.data.order.sampling import Setting, Visits

Arrangement = Callable[[np.ndarray], np.ndarray]
"""From places in an epoch to indices of examples, int64 [n] both; every index stands at one place."""


class Epochs:
    """Every example once per epoch; epochs follow one another without a gap.

    Args:
        size: examples in an epoch.
        arrange: the arrangement of an epoch, by its number. The last one made is kept.
        settings: what `arrange` depends on beside the size.
    """

    def __init__(self, size: int, arrange: Callable[[int], Arrangement], settings: Mapping[str, Setting] | None = None) -> None:
        self.size = size
        self.arrange = arrange
        self._settings = dict(settings) if settings is not None else {}
        self._last: tuple[int, Arrangement] | None = None

    def __call__(self, positions: np.ndarray) -> Visits:
        epochs, places = np.divmod(positions, self.size)
        indices = np.empty_like(places)
        for epoch in np.unique(epochs).tolist():
            chosen = epochs == epoch
            indices[chosen] = self._arrangement(epoch)(places[chosen])
        return Visits(epochs, indices)

    def later(self, position: int, distance: int) -> Visits:
        return self(np.array([position + distance]))

    def settings(self) -> dict[str, Setting]:
        return {"examples": self.size, **self._settings}

    def _arrangement(self, epoch: int) -> Arrangement:
        if self._last is None or self._last[0] != epoch:
            self._last = epoch, self.arrange(epoch)
        return self._last[1]
