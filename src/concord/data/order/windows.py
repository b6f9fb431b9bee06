"""A shuffle that reads few blocks at a time."""

from __future__ import annotations

from functools import partial
from hashlib import blake2b

import numpy as np

from concord.data.order.epochs import Epochs
from concord.data.order.permutation import Permutation
from concord.data.order.sampling import Sampling, Setting
from concord.data.source import Source, block_sizes


class Windows:
    """Every example once per epoch, few blocks at a time: for shards on remote storage and for row groups.

    In every epoch the blocks of the source (shards, row groups) are shuffled and laid end to end, the line is divided into
    windows of as nearly equal numbers of blocks as possible, and the examples of each window are shuffled among themselves.
    At any time examples come from one window, across a border from two. Memory is a few numbers per block.

    Neighbours mix over a window, not over the epoch: use many small blocks. A source without blocks, or with one block, is
    one window, which makes this a plain `Shuffle`; a block is never cut, however large it is.

    Args:
        blocks: the most blocks in a window, at least 1.

    Raises:
        ValueError: for fewer than one block.
    """

    def __init__(self, blocks: int = 16) -> None:
        if blocks < 1:
            raise ValueError(f"blocks must be at least 1, got {blocks}")
        self.blocks = blocks

    def over(self, source: Source, key: str) -> Sampling:
        sizes = np.array(block_sizes(source), dtype=np.int64)
        layout = blake2b(sizes.astype("<i8").tobytes(), digest_size=8).hexdigest()
        return Epochs(len(source), partial(_WindowedEpoch, sizes, self.blocks, key), {"block_sizes": layout})

    def settings(self) -> dict[str, Setting]:
        return {"order": "windows", "order.blocks": self.blocks}


class _WindowedEpoch:
    """The arrangement of one epoch.

    Args:
        sizes: examples in each of the N blocks of the source, int64 [N].
        blocks: the most blocks in a window.
        key, epoch: decide the draws.
    """

    def __init__(self, sizes: np.ndarray, blocks: int, key: str, epoch: int) -> None:
        count = len(sizes)
        laid = Permutation(count, f"{key}/{epoch}/blocks")(np.arange(count))
        self.key = f"{key}/{epoch}"
        self.ends = np.cumsum(sizes[laid])  # in the line, of the block at each place
        self.shifts = (np.cumsum(sizes) - sizes)[laid] - (self.ends - sizes[laid])  # from the line to the source
        windows = -(-count // blocks)
        self.window_ends = self.ends[np.arange(1, windows + 1) * count // windows - 1]

    def __call__(self, places: np.ndarray) -> np.ndarray:
        numbers = np.searchsorted(self.window_ends, places, side="right")
        moved = np.empty_like(places)
        for number in np.unique(numbers).tolist():
            inside = numbers == number
            moved[inside] = self._shuffled(number, places[inside])
        return moved + self.shifts[np.searchsorted(self.ends, moved, side="right")]

    def _shuffled(self, window: int, places: np.ndarray) -> np.ndarray:
        start = int(self.window_ends[window - 1]) if window > 0 else 0
        return start + Permutation(int(self.window_ends[window]) - start, f"{self.key}/{window}")(places - start)
