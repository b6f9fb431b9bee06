"""When a loss is a spike."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable


class Spikes:
    """Tells a loss that stands out from those before it.

    It does where it lies above their median by more than `deviations` times their spread, which is the median absolute deviation
    times 1.4826: for normal values that is the standard deviation, and a few wild values do not move it. Losses that hardly vary
    have a spread of at least 1% of the median.

    Args:
        deviations: above 0.
        window: losses that are looked back on, at least 10; there is no verdict before half of them are there.
    """

    SPREAD = 0.01

    def __init__(self, deviations: float, window: int) -> None:
        if not deviations > 0:
            raise ValueError(f"spike_deviations must be above 0, got {deviations}")
        if window < 10:
            raise ValueError(f"spike_window must be at least 10, got {window}")
        self.deviations = deviations
        self.window = window
        self._losses: deque[float] = deque(maxlen=window)

    def limit(self) -> float:
        """The loss above which the next one is a spike; infinite as long as too few are known."""
        if len(self._losses) < self.window / 2:
            return float("inf")
        middle = statistics.median(self._losses)
        spread = 1.4826 * statistics.median(abs(loss - middle) for loss in self._losses)
        return middle + self.deviations * max(spread, self.SPREAD * abs(middle))

    def add(self, loss: float) -> None:
        """Remember a loss that training went on from."""
        self._losses.append(loss)

    def state(self) -> list[float]:
        return list(self._losses)

    def load(self, losses: Iterable[float]) -> None:
        self._losses = deque(losses, maxlen=self.window)
