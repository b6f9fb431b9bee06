"""Walking over a table of logits tile by tile, without ever holding the table.

Dimensions: b rows, N columns, E width.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def checked_tile(tile: int) -> int:
    """`tile` itself; ValueError unless it is at least 1."""
    if tile < 1:
        raise ValueError(f"tile must be at least 1, got {tile}")
    return tile


def tiles_of_logits(queries: Tensor, keys: Tensor, scale: Tensor, tile: int) -> Iterator[tuple[slice, slice, Tensor, Tensor]]:
    """Walk over the tiles of scale * queries @ keys.T.

    Yields:
        rows, columns: where the tile lies.
        logits: the tile, free to be overwritten.
        scratch: as large as the tile. Both live in memory that the next tile uses again, because fresh memory for every
            tile costs about as much time as the product.
    """
    size = min(tile, len(queries)) * min(tile, len(keys))
    buffer, scratch = queries.new_empty(size), queries.new_empty(size)
    for row in _slices(len(queries), tile):
        scaled = queries[row] * scale
        for column in _slices(len(keys), tile):
            shape = len(scaled), column.stop - column.start
            logits = torch.mm(scaled, keys[column].T, out=buffer[: shape[0] * shape[1]].view(shape))
            yield row, column, logits, scratch[: logits.numel()].view(shape)


def _slices(length: int, size: int) -> Iterator[slice]:
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
