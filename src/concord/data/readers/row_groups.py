"""Reading Parquet files at random: only the row groups and columns that are asked for, a bounded number of them kept."""

from __future__ import annotations

import itertools
import posixpath
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from concord.data.readers.columns import cell_of, is_single
from concord.data.readers.parquet_file import ParquetFile
from concord.data.source import BadSample, digest
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError

__all__ = ["ParquetRows", "RecentColumns"]

OPEN_FILES = 32
"""Files whose tables of contents are kept parsed."""

READERS = 16
"""Threads that read tables of contents at the start."""


class ParquetRows:
    """The rows of Parquet files, one file after the other.

    A row is read by its row group: the asked columns of a group are decoded once and kept while they are among the last used.
    Memory is bounded by `limit` or by the largest column of a row group, whichever is more, per reading process. Files are not
    mapped into memory: one that is cut or disappears while it is read gives bad examples, where a mapping would end the process.
    Threads may ask at once; they are served one after the other.

    Args:
        files: names or URLs, at least one.
        storage: reads them.
        limit: bytes of decoded columns to keep.

    Raises:
        DataError: for a file that is not Parquet or cannot be read, files that share no column, and files without rows.
    """

    def __init__(self, files: Sequence[str], storage: Storage, limit: int) -> None:
        self.files = list(files)
        self.storage = storage
        shown = [without_secrets(file) for file in files]
        self.place = shown[0] if len(files) == 1 else f"{posixpath.dirname(shown[0])} ({len(files)} files)"
        with ThreadPoolExecutor(READERS) as pool:
            contents = list(pool.map(self._contents, self.files))
        self.columns = _shared([schema.names for schema, _ in contents])
        self.values = [name for name in self.columns if is_single(contents[0][0].field(name).type)]
        self._groups = [(file, group) for file, (_, sizes) in enumerate(contents) for group, size in enumerate(sizes) if size]
        self.block_sizes = [contents[file][1][group] for file, group in self._groups]
        if not self._groups:
            raise DataError(f"{self.place}: no rows in it")
        self._starts = [0, *itertools.accumulate(self.block_sizes)]
        self._file_starts = [0, *itertools.accumulate(sum(sizes) for _, sizes in contents)]
        self._labels = _labels(shown)
        self._limit = limit
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._recent = RecentColumns(self._limit)
        self._open_files: OrderedDict[int, ParquetFile] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._starts[-1]

    def location(self, index: int) -> str:
        file, group = self._groups[bisect_right(self._starts, index) - 1]
        return f"{without_secrets(self.files[file])} (row group {group})"

    def label(self, index: int) -> str:
        """FILE/ROW."""
        file = bisect_right(self._file_starts, index) - 1
        return f"{self._labels[file]}/{index - self._file_starts[file]}"

    def fingerprint(self) -> str:
        return digest([(label, *self.storage.state(file)) for label, file in zip(self._labels, self.files, strict=True)])

    def read(self, index: int, columns: Sequence[str]) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        group = bisect_right(self._starts, index) - 1
        row = index - self._starts[group]
        try:
            with self._lock:
                decoded = self._decoded(group, columns)
            return {name: cell_of(column[row]) for name, column in decoded.items()}
        except StorageError as error:
            raise BadSample(f"row group: {error.cause}", self.label(index)) from None
        except (pa.ArrowException, OSError) as error:
            raise BadSample("row group cannot be read", self.label(index), " ".join(str(error).split())) from None

    def _decoded(self, group: int, columns: Sequence[str]) -> dict[str, pa.ChunkedArray]:
        found = {name: self._recent.get((group, name)) for name in columns}
        missing = [name for name, column in found.items() if column is None]
        if missing:
            file, number = self._groups[group]
            table = self._open(file).read(number, missing)
            for name in missing:
                found[name] = table.column(name)
                self._recent.add((group, name), table.column(name))
        return found

    def _open(self, number: int) -> ParquetFile:
        file = self._open_files.get(number)
        if file is None:
            file = self._open_files[number] = ParquetFile(self.files[number], self.storage)
            if len(self._open_files) > OPEN_FILES:
                self._open_files.popitem(last=False)
        self._open_files.move_to_end(number)
        return file

    def _contents(self, path: str) -> tuple[pa.Schema, list[int]]:
        """Columns of a file, and the rows in each of its row groups."""
        try:
            file = ParquetFile(path, self.storage)
            return file.schema, file.sizes
        except StorageError:
            raise
        except (pa.ArrowException, OSError):
            what = "is not a Parquet file, or its end is missing"
            raise DataError(f"{without_secrets(path)} {what}; download it again or leave it out of path") from None

    def __getstate__(self) -> dict[str, Any]:
        """Without open files and decoded columns: another process reads its own."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_recent", "_open_files", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._start_afresh()


class RecentColumns:
    """The columns that were used last, up to a number of bytes; the newest stays however large it is."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._columns: OrderedDict[tuple[int, str], pa.ChunkedArray] = OrderedDict()

    def get(self, name: tuple[int, str]) -> pa.ChunkedArray | None:
        """A column by its row group and name; None when it is not here."""
        if name in self._columns:
            self._columns.move_to_end(name)
        return self._columns.get(name)

    def add(self, name: tuple[int, str], column: pa.ChunkedArray) -> None:
        self._columns[name] = column
        self.bytes += column.nbytes
        while self.bytes > self.limit and len(self._columns) > 1:
            self.bytes -= self._columns.popitem(last=False)[1].nbytes


def _shared(schemas: Sequence[Sequence[str]]) -> list[str]:
    """The columns that every file has, once each, in the first file's order."""
    common = set.intersection(*(set(names) for names in schemas))
    return [name for name in schemas[0] if name in common and all(names.count(name) == 1 for names in schemas)]


def _labels(files: Sequence[str]) -> list[str]:
    """Short names of files: what follows the folder that they share, without the suffix."""
    shared = posixpath.commonprefix([posixpath.dirname(file) + "/" for file in files]).rpartition("/")[0]
    return [posixpath.splitext(file[len(shared) :].lstrip("/"))[0] for file in files]
