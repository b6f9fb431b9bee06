"""The rows of Excel files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from concord.data.benchmarks.rows import Row
from concord.data.readers.cells import find_column
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError, MissingExtraError

LARGEST = 256 << 20
"""Bytes that an .xlsx file, a zip of XML, may unpack to."""


def xlsx_rows(storage: Storage, file: str, columns: Sequence[str]) -> Iterator[Row]:
    """Some columns of the first sheet of an .xlsx file whose first row names them; empty rows are left out.

    Raises:
        DataError: for a file that cannot be read, and a column that is not there.
        MissingExtraError: without openpyxl.
    """
    place = without_secrets(file)
    header, *rows = _cells(storage.read(file), place)
    names = [str(cell).strip() if cell is not None else "" for cell in header]
    places = {column: names.index(find_column(column, names, "expected", place).name) for column in columns}
    for number, row in enumerate(rows, start=2):
        if any(cell is not None for cell in row):
            yield Row(f"{place}, row {number}", {column: row[at] if at < len(row) else None for column, at in places.items()})


def _cells(content: bytes, place: str) -> list[tuple[Any, ...]]:
    try:
        import openpyxl
    except ImportError:
        raise MissingExtraError("openpyxl", "medical") from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise DataError(f"{place} unpacks to {size} bytes; a table of labels has at most {LARGEST}")
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        rows = list(book.worksheets[0].iter_rows(values_only=True))
        book.close()
    except DataError:
        raise
    except Exception as error:  # as various as the damage
        raise DataError(f"{place} cannot be read: {' '.join(str(error).split()) or type(error).__name__}; download it again") from None
    if not rows:
        raise DataError(f"{place}: no rows in it")
    return rows
