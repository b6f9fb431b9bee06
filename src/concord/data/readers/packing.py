"""Lists of texts, packed: millions of small Python objects would be copied page by page into every reading process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CHUNK = 100_000
"""Rows that are held as Python objects at one time while packing."""


def pack(rows: Iterable[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as columns in one block of memory each; the rows are read once and need not fit into memory as objects."""
    remaining = iter(rows)
    batches = [pa.RecordBatch.from_pylist([], schema)]
    while chunk := list(islice(remaining, CHUNK)):
        columns = [pa.array(column, kind) for column, kind in zip(zip(*chunk, strict=True), schema.types, strict=True)]
        batches.append(pa.record_batch(columns, schema))
    return pa.concat_batches(batches)


def checksum(packed: pa.RecordBatch) -> str:
    """A short text that stands for what was packed: values and their order, however Arrow lays them out in memory."""
    digest = blake2b(digest_size=16)
    for column in packed.columns:
        for part in _content(column):
            digest.update(part)
    return digest.hexdigest()


def _content(column: pa.Array) -> Iterator[Any]:
    """What is in a column, as buffers: which cells are empty, then lengths and values."""
    yield column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_large_list(column.type):
        yield pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        yield from _content(column.flatten())
    elif pa.types.is_large_binary(column.type):
        yield pc.binary_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        _, places, values = column.buffers()
        if values is not None and len(column):
            ends = np.frombuffer(places, np.int64)[column.offset : column.offset + len(column) + 1]
            yield memoryview(values)[ends[0] : ends[-1]]
    else:
        yield np.ascontiguousarray(column.fill_null(0).to_numpy(zero_copy_only=False))


def encoded(text: str) -> bytes:
    """Text as bytes that give back every text: JSON may hold half a surrogate pair, which UTF-8 may not."""
    return text.encode("utf-8", "surrogatepass")


def decoded(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")
