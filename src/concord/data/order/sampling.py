"""From a position in the endless stream of training to an example: how the examples of a source follow one another."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from concord.data.source import Source

Setting = int | float | str | None
"""What a checkpoint says of an order: a value by the name of its key under `data`."""


class Visits(NamedTuple):
    """What stands at some positions of the stream, int64 [n] each.

    Attributes:
        epochs: how often the example was visited before; with the index it decides all that is drawn at random.
        indices: of the examples in the source.
    """

    epochs: np.ndarray
    indices: np.ndarray


class Sampling(Protocol):
    """A pure function from positions to examples."""

    def __call__(self, positions: np.ndarray) -> Visits:
        """What stands at these positions, int64 [n], each at least 0."""

    def later(self, position: int, distance: int) -> Visits:
        """The one visit that stands `distance` places after a position, counted among the examples of the same source."""

    def settings(self) -> dict[str, Setting]:
        """What must be the same for another run to find the same examples at the same positions."""


class Order(Protocol):
    """A way to walk through a source, chosen by the configuration."""

    def over(self, source: Source, key: str) -> Sampling:
        """The walk through this source; another key, any text, gives another one."""

    def settings(self) -> dict[str, Setting]:
        """Name and options, the name first: another value gives another walk."""
