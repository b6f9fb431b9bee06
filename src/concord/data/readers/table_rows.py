"""The rows of CSV, TSV, JSON and JSONL files, held in memory as the bytes that they are: few, and shared by reading processes."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from concord.data.readers.captions import parse_json
from concord.data.source import BadSample, digest
from concord.data.storage.paths import without_query, without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*SEPARATORS, ".json", ".jsonl")
GZIP = ".gz"

LARGEST_ROW = 16 << 20
"""Bytes of a row of a CSV or TSV file."""

OPEN_QUOTE = 'a quote is not closed; write " inside of quoted cells as ""'

PROBED_ROWS = 1000
"""Rows of a JSON file whose keys together are the columns."""

NEWLINE, RETURN = b"\n\r"


class TableFile:
    """A file of a table's rows.

    Attributes:
        path: the file or URL.
        place: the same as it may be shown.
        suffix: which kind it is, without ".gz".
        stem: its name without folder and suffix.
    """

    def __init__(self, path: str, storage: Storage) -> None:
        self.path = path
        self.place = without_secrets(path)
        self.storage = storage
        name = without_query(path).rpartition("/")[2]
        bare = name[: -len(GZIP)] if name.lower().endswith(GZIP) else name
        self.compressed = bare != name
        self.stem, dot, suffix = bare.rpartition(".")
        self.suffix = f"{dot}{suffix}".lower()
        if self.suffix not in SUFFIXES:
            raise DataError(f"{self.place}: not a table that concord reads; valid: {', '.join(SUFFIXES)}, also with {GZIP}")

    def content(self) -> bytes:
        """All of it, without a byte-order mark.

        Raises:
            DataError: when it cannot be read.
        """
        content = self.storage.read(self.path)
        try:
            content = gzip.decompress(content) if self.compressed else content
        except (OSError, EOFError, zlib.error):
            raise DataError(f"{self.place} cannot be read: it is not gzip, or its end is missing") from None
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise DataError(f"{self.place} cannot be read: it is UTF-16; save it as UTF-8")
        return content.removeprefix(codecs.BOM_UTF8)

    def fingerprint(self) -> str:
        return digest(self.stem, *self.storage.state(self.path))


class _FileRows:
    """What the rows of one file share, however it is written."""

    def __init__(self, file: TableFile) -> None:
        self.file = file
        self.place = file.place

    def fingerprint(self) -> str:
        return self.file.fingerprint()

    def location(self, index: int) -> str:
        return f"{self.place} ({self.label(index)})"

    def label(self, index: int) -> str:
        return f"row {index}"


class SeparatedRows(_FileRows):
    """The rows of a CSV or TSV file.

    Cells may be quoted with ", then they may hold the separator and line breaks. Bytes that are not UTF-8 become surrogates, and
    the rows that hold them bad examples.

    Args:
        file: the table.
        separator: what stands between cells.
        header: names of the columns, for a file whose first line is a row already; None where it names the columns.

    Raises:
        DataError: for a file that cannot be parsed, and one without rows.
    """

    def __init__(self, file: TableFile, separator: str, header: Sequence[str] | None = None) -> None:
        super().__init__(file)
        self._table = _parse_separated(file, separator, header)
        if not len(self._table):
            raise DataError(f"{self.place}: no rows in it")
        names = self._table.column_names
        self.columns = self.values = [name for name in names if names.count(name) == 1]
        self.block_sizes = [len(self._table)]

    def __len__(self) -> int:
        return len(self._table)

    def read(self, index: int, columns: Sequence[str]) -> dict[str, Any]:
        return {name: self._table.column(name)[index].as_py().decode("utf-8", "surrogateescape") for name in columns}


class JsonRows(_FileRows):
    """The objects of a JSON list, or of the lines of a JSONL file; a row is parsed when it is asked for.

    Raises:
        DataError: for a JSON file that holds no list of objects, and a file in which no row is an object.
    """

    def __init__(self, file: TableFile) -> None:
        super().__init__(file)
        self._lines = file.content() if file.suffix == ".jsonl" else _as_lines(file)
        self._ends, self._starts = _line_spans(self._lines)
        if not len(self):
            raise DataError(f"{self.place}: no rows in it")
        self.columns = self.values = list(dict.fromkeys(key for index in range(min(len(self), PROBED_ROWS)) for key in self._keys(index)))
        if not self.columns:
            raise DataError(f"{self.place} cannot be read: expected an object in every line")
        self.block_sizes = [len(self)]

    def __len__(self) -> int:
        return len(self._starts)

    def read(self, index: int, columns: Sequence[str]) -> dict[str, Any]:
        row = parse_json(self.label(index), self._lines[self._starts[index] : self._ends[index]])
        if not isinstance(row, dict):
            raise BadSample("row is not an object", self.label(index))
        return row

    def _keys(self, index: int) -> Sequence[str]:
        try:
            return list(self.read(index, ()))
        except BadSample:
            return []


def _parse_separated(file: TableFile, separator: str, header: Sequence[str] | None) -> pa.Table:
    """All cells as bytes, [rows] per column."""
    refused: list[pyarrow.csv.InvalidRow] = []

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        refused.append(row)
        return "error"

    read = pyarrow.csv.ReadOptions(use_threads=False, block_size=LARGEST_ROW, column_names=header)
    parse = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=refuse)
    content = file.content()
    try:
        names = pyarrow.csv.open_csv(pa.BufferReader(content), read, parse).schema.names
        content += b"\n" + separator.encode().join([b'""'] * len(names))  # an empty row, which a quote that is open would swallow
        as_bytes = pyarrow.csv.ConvertOptions(check_utf8=False, column_types={name: pa.binary() for name in names})
        table = pyarrow.csv.read_csv(pa.BufferReader(content), read, parse, as_bytes)
    except UnicodeDecodeError:
        raise DataError(f"{file.place} cannot be read: its header is not UTF-8") from None
    except pa.ArrowInvalid as error:
        raise DataError(f"{file.place} cannot be read: {_complaint(error, refused)}") from None
    if any(column[-1].as_py() for column in table.columns):
        raise DataError(f"{file.place} cannot be read: {OPEN_QUOTE}")
    return table.slice(0, len(table) - 1)


def _complaint(error: pa.ArrowInvalid, refused: Sequence[pyarrow.csv.InvalidRow]) -> str:
    if refused:
        row = refused[0]
        return f"row {row.number} has {row.actual_columns} cells, the header {row.expected_columns}; quote cells that hold the separator"
    if "straddl" in str(error):
        return f"a row has more than {LARGEST_ROW >> 20} MiB, or {OPEN_QUOTE}"
    return " ".join(str(error).split())


def _as_lines(file: TableFile) -> bytes:
    """The objects of a JSON list, one per line."""
    try:
        rows = json.loads(file.content())
    except (ValueError, RecursionError) as error:  # Unicode's errors are ValueErrors too
        raise DataError(f"{file.place} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{file.place} cannot be read: expected a list of objects")
    return "\n".join(map(json.dumps, rows)).encode()


def _line_spans(lines: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Where the lines that are not empty end and start, int64 [n] each."""
    values = np.frombuffer(lines, dtype=np.uint8)
    ends = np.append(np.flatnonzero(values == NEWLINE), len(values))
    starts = np.append(0, ends[:-1] + 1)
    filled = ends - starts > 0
    filled[filled] &= (ends - starts > 1)[filled] | (values[starts[filled]] != RETURN)
    return ends[filled], starts[filled]
