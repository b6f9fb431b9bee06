"""Records as a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from concord.data.preparation.record import Record

ROW_GROUP = 128
"""Examples in a row group, at most: the least that a reader at random has to fetch at once."""

ROW_GROUP_BYTES = 16 * 2**20
"""Of the images in a row group; an image that goes beyond it is the last."""

CAPTION = pa.struct([("text", pa.string()), ("role", pa.string())])
SCHEMA = pa.schema(
    [("key", pa.string()), ("image", pa.binary()), ("caption", pa.list_(CAPTION)), ("source", pa.string()), ("metadata", pa.string())]
)
TEXT_COLUMNS = ("key", "caption.list.element.text", "caption.list.element.role", "source", "metadata")


def write_parquet(file: IO[bytes], records: Iterable[Record]) -> None:
    """One row per record, in small row groups. Texts are compressed; images are already."""
    compression = {"image": "NONE", **dict.fromkeys(TEXT_COLUMNS, "ZSTD")}
    with pq.ParquetWriter(file, SCHEMA, compression=compression, use_dictionary=["source"], write_statistics=False) as writer:
        for group in _groups(records):
            writer.write_batch(pa.RecordBatch.from_pylist([_row(record) for record in group], SCHEMA), row_group_size=ROW_GROUP)


def _groups(records: Iterable[Record]) -> Iterator[list[Record]]:
    group: list[Record] = []
    size = 0
    for record in records:
        group.append(record)
        size += len(record.image)
        if len(group) == ROW_GROUP or size >= ROW_GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _row(record: Record) -> dict[str, object]:
    captions = [{"text": text, "role": role} for text, role in record.captions]
    return {"key": record.key, "image": record.image, "caption": captions, "source": record.source, "metadata": record.metadata}
