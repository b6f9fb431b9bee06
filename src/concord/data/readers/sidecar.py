"""The Parquet files that img2dataset writes beside its shards: 00000.parquet beside 00000.tar, one row per example."""

from __future__ import annotations

import posixpath
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from concord.data.readers.cells import as_text, find_column
from concord.data.readers.columns import cell_of, is_single
from concord.data.readers.parquet_file import with_rows
from concord.data.source import BadSample
from concord.data.storage.paths import without_query, without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError

KEY = "key"
LOADED = 16  # sidecars that are held decoded


class _Sidecar(NamedTuple):
    columns: dict[str, pa.ChunkedArray]
    rows: dict[str, int]


class Sidecars:
    """Rows of sidecar files, found by the example's key in their column "key".

    The columns that are needed are decoded a whole file at a time, and the last `LOADED` files are kept: orders that stay with
    a shard for a while read each file once. Threads may ask at once; they are served one after the other.

    Args:
        storage: reads the files.
        columns: what is needed: columns, or dotted places inside of their cells.
        everything: whether all columns of single values are needed as well.
    """

    def __init__(self, storage: Storage, columns: Sequence[str], everything: bool) -> None:
        self.storage = storage
        self.columns = list(columns)
        self.everything = everything
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._loaded: OrderedDict[str, _Sidecar] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Without decoded columns: another process reads its own."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_loaded", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._start_afresh()

    def check(self, shard: str) -> None:
        """Look at the sidecar of one shard.

        Raises:
            DataError: when it is not there, is no Parquet, or lacks a column.
        """
        try:
            self._used_columns(self._open(sidecar_of(shard)), sidecar_of(shard))
        except StorageError as error:
            raise DataError(f"{error}; captions or metadata were asked from the Parquet file beside {without_secrets(shard)}") from None
        except (pa.ArrowException, OSError):
            raise DataError(f"{without_secrets(sidecar_of(shard))} is not a Parquet file; download it again") from None

    def row(self, shard: str, key: str) -> dict[str, Any]:
        """What the sidecar of a shard says of an example.

        Raises:
            BadSample: when the file cannot be read, or does not know the example.
        """
        try:
            with self._lock:
                sidecar = self._sidecar(shard)
        except StorageError as error:
            raise BadSample(f"sidecar Parquet: {error.cause}", key) from None
        except (DataError, pa.ArrowException, OSError) as error:
            raise BadSample("sidecar Parquet cannot be read", key, " ".join(str(error).split())) from None
        number = sidecar.rows.get(key, sidecar.rows.get(posixpath.basename(key)))
        if number is None:
            raise BadSample("not in the sidecar Parquet", key)
        return {name: cell_of(column[number]) for name, column in sidecar.columns.items()}

    def _sidecar(self, shard: str) -> _Sidecar:
        if shard not in self._loaded:
            self._loaded[shard] = self._read(sidecar_of(shard))
            if len(self._loaded) > LOADED:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(shard)
        return self._loaded[shard]

    def _read(self, path: str) -> _Sidecar:
        file = self._open(path)
        names = self._used_columns(file, path)
        table = with_rows(file.read(columns=names, use_threads=False), file.metadata.num_rows)
        keys = (as_text(cell_of(key)) for key in table.column(KEY))
        rows = {str(key): row for row, key in enumerate(keys) if key is not None}
        return _Sidecar({name: table.column(name) for name in names}, rows)

    def _open(self, path: str) -> pq.ParquetFile:
        """The whole file is read: it is small beside its shard, and one request is faster than one per column."""
        return pq.ParquetFile(pa.BufferReader(self.storage.read(path)))

    def _used_columns(self, file: pq.ParquetFile, path: str) -> list[str]:
        schema, place = file.schema_arrow, without_secrets(path)
        asked = [find_column(name, schema.names, "caption", place).name for name in self.columns]
        single = [field.name for field in schema if is_single(field.type)] if self.everything else []
        return list(dict.fromkeys([find_column(KEY, schema.names, "the examples' names", place).name, *asked, *single]))


def sidecar_of(shard: str) -> str:
    """a/00000.parquet of a/00000.tar; a query string stays."""
    place = without_query(shard)
    return posixpath.splitext(place)[0] + ".parquet" + shard[len(place) :]
