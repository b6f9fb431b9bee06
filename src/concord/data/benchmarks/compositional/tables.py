"""Tests that are published as Parquet files with their pictures inside."""

from __future__ import annotations

from concord.data.benchmarks.pictures import CACHE
from concord.data.readers.row_groups import ParquetRows
from concord.data.storage.storage import Storage


def find_rows(path: str, storage: Storage) -> ParquetRows:
    """The rows of the Parquet files that a file, a folder, a pattern or the URL of one stands for.

    Raises:
        DataError: for a path that leads to no file, and for files that are not Parquet.
    """
    return ParquetRows(storage.find(path, ".parquet"), storage, CACHE)
