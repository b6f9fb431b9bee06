"""Files of texts about examples that lie elsewhere: rows of any table, few columns of which are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from concord.data.readers.cells import as_text, find_column
from concord.data.readers.columns import cell_of
from concord.data.readers.parquet_file import open_parquet, with_rows
from concord.data.readers.table_rows import SEPARATORS, JsonRows, SeparatedRows, TableFile
from concord.data.source import BadSample
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

PARQUET = ".parquet"


def find_tables(path: str | Sequence[str], storage: Storage) -> list[str]:
    """The files that a path stands for; of folders their Parquet files."""
    patterns = [path] if isinstance(path, str) else path
    return [file for pattern in patterns for file in storage.find(pattern, PARQUET)]


class TextRows:
    """The rows of one file of texts, in memory: reading processes that are forked share it.

    Args:
        path: a CSV, TSV, JSON, JSONL or Parquet file or its URL.
        wanted: the columns of the texts, or places inside of their cells.
        key: the column of the examples' names; None where rows have no names. Other columns of a Parquet file are not read.
        storage: reads it.

    Attributes:
        place: the file as it may be shown.
        columns: all that it has.
        state: its size and version.

    Raises:
        DataError: for a file that cannot be read, and a column that is not there.
    """

    def __init__(self, path: str, wanted: Sequence[str], key: str | None, storage: Storage) -> None:
        self.state = list(storage.state(path))
        used = [*wanted, key] if key is not None else wanted
        self._rows = _ParquetTexts(path, used, storage) if path.lower().endswith(PARQUET) else _listed(TableFile(path, storage))
        self.place, self.columns = self._rows.place, self._rows.columns
        self._wanted = list(dict.fromkeys(find_column(name, self.columns, "caption", self.place).name for name in wanted))
        self._key = find_column(key, self.columns, "key", self.place) if key is not None else None

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, row: int) -> Mapping[str, Any]:
        """The wanted cells of one row.

        Raises:
            BadSample: when the row cannot be read.
        """
        return self._rows.read(row, self._wanted)

    def name(self, row: int) -> str:
        """What a row has as key; "" for nothing, and for a row that cannot be read."""
        if self._key is None:
            return ""
        try:
            value = as_text(self._key.of(self._rows.read(row, [self._key.name])))
        except BadSample:
            return ""
        return str(value) if value is not None else ""


class _ParquetTexts:
    def __init__(self, path: str, wanted: Sequence[str], storage: Storage) -> None:
        self.place = without_secrets(path)
        try:
            file = open_parquet(path, storage)
            self.columns = file.schema_arrow.names
            used = {find_column(name, self.columns, "caption or key", self.place).name for name in wanted}
            self._table = with_rows(file.read([name for name in self.columns if name in used]), file.metadata.num_rows)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.place} cannot be read as Parquet: {' '.join(str(error).split())}") from None

    def __len__(self) -> int:
        return len(self._table)

    def read(self, row: int, columns: Sequence[str]) -> dict[str, Any]:
        return {name: cell_of(self._table.column(name)[row]) for name in columns}


def _listed(file: TableFile) -> SeparatedRows | JsonRows:
    return SeparatedRows(file, SEPARATORS[file.suffix]) if file.suffix in SEPARATORS else JsonRows(file)
