"""One Parquet file of a storage, of which only the parts are read that are asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from concord.data.storage.storage import Storage

Span = tuple[int, int]
"""Where bytes begin in a file, and how many they are."""


class ParquetFile:
    """A Parquet file whose table of contents is read.

    Args:
        path: a name or URL.
        storage: reads it.

    Attributes:
        schema: of its columns.
        sizes: rows of each row group.

    Raises:
        StorageError: when it cannot be read.
        pyarrow.ArrowException, OSError: when it is no Parquet file.
    """

    def __init__(self, path: str, storage: Storage) -> None:
        self._bytes = RangeFile(path, storage)
        with _names_checked():
            self._file = pq.ParquetFile(pa.PythonFile(self._bytes, mode="r"), pre_buffer=False)
        self.schema: pa.Schema = self._file.schema_arrow
        contents = self._file.metadata
        self.sizes = [contents.row_group(number).num_rows for number in range(contents.num_row_groups)]

    def read(self, group: int, columns: Sequence[str]) -> pa.Table:
        """Some columns of a row group, [rows]; neighbours in the file are fetched with one request.

        Raises:
            StorageError: when they cannot be read.
            pyarrow.ArrowException, OSError: when they are damaged.
        """
        try:
            with _names_checked():
                self._bytes.fetch(list(self._spans(group, columns)))
                return with_rows(self._file.read_row_group(group, columns=list(columns), use_threads=False), self.sizes[group])
        finally:
            self._bytes.forget()

    def _spans(self, group: int, columns: Sequence[str]) -> Iterator[Span]:
        contents = self._file.metadata.row_group(group)
        for number in range(contents.num_columns):
            chunk = contents.column(number)
            if any(f"{chunk.path_in_schema}.".startswith(f"{name}.") for name in columns):
                first = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
                yield first, chunk.total_compressed_size


def open_parquet(path: str, storage: Storage) -> pq.ParquetFile:
    """A Parquet file for those who read all of it, its table of contents read; raises as `ParquetFile` does."""
    with _names_checked():
        return pq.ParquetFile(pa.PythonFile(RangeFile(path, storage), mode="r"), pre_buffer=False)


def with_rows(table: pa.Table, rows: int) -> pa.Table:
    """The same table, each of whose columns has as many rows as the table of contents says; damaged ones may have others.

    Raises:
        pyarrow.ArrowInvalid: naming the first column of another length.
    """
    for name, column in zip(table.column_names, table.columns, strict=True):
        if len(column) != rows:
            raise pa.ArrowInvalid(f"{len(column)} rows in column {name} instead of {rows}")
    return table


@contextmanager
def _names_checked() -> Iterator[None]:
    """Inside, a column's name that is no text is an error as other damage is."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid("the name of a column is no text") from error


class RangeFile(io.RawIOBase):
    """A file of a storage, for those who seek and read."""

    def __init__(self, path: str, storage: Storage) -> None:
        self.path = path
        self.storage = storage
        self._size = storage.state(path).size
        self._position = 0
        self._fetched: dict[Span, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._position)
        span = self._position, left if size < 0 else min(size, left)
        content = self._fetched[span] if span in self._fetched else self.storage.read(self.path, *span)
        self._position += len(content)
        return content

    def fetch(self, spans: Sequence[Span]) -> None:
        """Read parts of the file that will be asked for; what a damaged file names outside of itself is left out."""
        inside = [(first, size) for first, size in spans if first >= 0 and 0 < size <= self._size - first]
        self._fetched = dict(zip(inside, self.storage.read_many(self.path, inside), strict=True))

    def forget(self) -> None:
        """Drop what was fetched."""
        self._fetched = {}
