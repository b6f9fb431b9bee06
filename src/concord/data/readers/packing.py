"""Lists of texts, packed: millions of small Python objects would be copied page by page into every reading process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import pyarrow as pa

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
    """A short text that stands for what was packed: values and their order."""
    digest = blake2b(digest_size=16)
    for column in packed.columns:
        for buffer in column.buffers():
            digest.update(buffer if buffer is not None else b"")
    return digest.hexdigest()


def encoded(text: str) -> bytes:
    """Text as bytes that give back every text: JSON may hold half a surrogate pair, which UTF-8 may not."""
    return text.encode("utf-8", "surrogatepass")


def decoded(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")
