"""The records of a test's files, whatever they are written in, and one line for those that are not what they should be."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concord.data.readers.cells import find_column, is_utf8
from concord.data.readers.documents import load_json
from concord.data.readers.row_groups import ParquetRows
from concord.data.readers.table_rows import SeparatedRows, TableFile
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError, nearest

LONGEST_LITERAL = 1 << 20
"""Characters of a Python list in a cell; parsing takes a multiple of that in memory."""


@dataclass(frozen=True)
class Row:
    """One record. Every method raises `DataError`, with the place, for a value that is missing or of another kind.

    Attributes:
        place: where it stands, for messages: the file, and where in it.
        cells: plain values by name.
    """

    place: str
    cells: Mapping[str, Any]

    def text(self, key: str) -> str:
        """A text that is not blank, without white space around it."""
        return self._texts(key, [self._value(key)])[0]

    def texts(self, key: str) -> list[str]:
        """A list of such texts."""
        return self._texts(key, self.values(key))

    def values(self, key: str) -> list[Any]:
        """A list of anything."""
        found = self._value(key)
        if not isinstance(found, list):
            raise self.error(key, "a list", found)
        return found

    def rows(self, key: str) -> list[Row]:
        """A list of objects."""
        return [_row(f"{self.place}: {key}[{number}]", entry) for number, entry in enumerate(self.values(key))]

    def name(self, key: str) -> str:
        """A text or a whole number, as text: what names a picture."""
        found = self._value(key)
        return str(found) if isinstance(found, int) and not isinstance(found, bool) else self.text(key)

    def number(self, key: str) -> float:
        """A finite number, or a text that says one."""
        found = self._value(key)
        try:
            number = float(found) if isinstance(found, int | float | str) and not isinstance(found, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise self.error(key, "a number", found)
        return number

    def index(self, key: str, count: int) -> int:
        """A whole number in [0, count)."""
        number = self.number(key)
        if number != int(number) or not 0 <= number < count:
            raise self.error(key, f"a whole number in [0, {count - 1}]", self.cells[key])
        return int(number)

    def one_of(self, key: str, valid: Sequence[str]) -> str:
        """A text among those that are known."""
        text = self.text(key)
        if text not in valid:
            raise DataError(f"{self.place}: {key!r} is {text!r}; {nearest(text, valid)}")
        return text

    def flag(self, key: str) -> bool:
        """True or False, in any spelling of the case."""
        found = self._value(key)
        answer = {"true": True, "false": False}.get(str(found).strip().lower())
        if answer is None:
            raise self.error(key, "True or False", found)
        return answer

    def literal(self, key: str) -> Row:
        """A list that is written as Python writes it, such as ['a dog', "a dog's ball"], in place of its text."""
        text = self.text(key)
        try:
            found = ast.literal_eval(text) if len(text) <= LONGEST_LITERAL else None
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            found = None
        if not isinstance(found, list):
            raise self.error(key, "a list as Python writes it", text)
        return Row(self.place, {**self.cells, key: found})

    def inner(self, key: str) -> Row:
        """An object inside of this one."""
        found = self._value(key)
        if not isinstance(found, Mapping):
            raise self.error(key, "an object", found)
        return Row(f"{self.place}: {key}", found)

    def error(self, key: str, wanted: str, found: Any) -> DataError:
        """To be raised for a value that is not what it should be."""
        shown = repr(found)
        return DataError(f"{self.place}: {key!r} must be {wanted}, got {shown if len(shown) <= 60 else shown[:60] + '...'}")

    def _value(self, key: str) -> Any:
        if key not in self.cells:
            raise DataError(f"{self.place}: {key!r} is missing; {nearest(key, map(str, self.cells))}")
        return self.cells[key]

    def _texts(self, key: str, values: Sequence[Any]) -> list[str]:
        for value in values:
            if not isinstance(value, str) or not value.strip():
                raise self.error(key, "text", value)
            if not is_utf8(value):
                raise DataError(f"{self.place}: {key!r} is not UTF-8")
        return [value.strip() for value in values]


def json_list(storage: Storage, file: str) -> Iterator[Row]:
    """The objects of a JSON list."""
    for number, entry in enumerate(_list(storage, file)):
        yield _row(f"{without_secrets(file)}[{number}]", entry)


def json_table(storage: Storage, file: str) -> Iterator[tuple[str, Row]]:
    """The objects of a JSON object, with their names, in the order of the file; names may have gaps."""
    place = without_secrets(file)
    for key, entry in json_object(storage, file).cells.items():
        yield key, _row(f"{place}: {key!r}", entry)


def json_object(storage: Storage, file: str) -> Row:
    """A JSON object."""
    return _row(without_secrets(file), load_json(storage, file))


def json_tuples(storage: Storage, file: str, names: Sequence[str]) -> Iterator[Row]:
    """The lists of a JSON list, each of as many values as there are names."""
    for number, entry in enumerate(_list(storage, file)):
        place = f"{without_secrets(file)}[{number}]"
        if not isinstance(entry, list) or len(entry) != len(names):
            got = f"{len(entry)} values" if isinstance(entry, list) else type(entry).__name__
            raise DataError(f"{place}: expected a list of {', '.join(names)}, got {got}")
        yield Row(place, dict(zip(names, entry, strict=True)))


def json_lines(storage: Storage, file: str) -> Iterator[Row]:
    """The objects of the lines of a file; empty lines are left out."""
    for number, line in enumerate(storage.read(file).splitlines(), start=1):
        if line.strip():
            place = f"{without_secrets(file)}, line {number}"
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"{place} is not JSON: {' '.join(str(error).split())}; is the file complete?") from None
            yield _row(place, entry)


def csv_rows(storage: Storage, file: str, columns: Sequence[str]) -> Iterator[Row]:
    """Some columns of a CSV file with a header line, or of one that is compressed with gzip."""
    rows = SeparatedRows(TableFile(file, storage), ",")
    for column in columns:
        find_column(column, rows.columns, "expected", rows.place)
    for number in range(len(rows)):
        yield Row(f"{rows.place}, row {number + 1}", rows.read(number, columns))


def parquet_rows(rows: ParquetRows, columns: Sequence[str]) -> Iterator[Row]:
    """Some columns of Parquet files; the row at place n is the n-th that comes."""
    for column in columns:
        find_column(column, rows.columns, "expected", rows.place)
    for number in range(len(rows)):
        yield Row(rows.label(number), rows.read(number, columns))


def _list(storage: Storage, file: str) -> list[Any]:
    document = load_json(storage, file)
    if not isinstance(document, list):
        raise DataError(f"{without_secrets(file)}: expected a JSON list, got {type(document).__name__}")
    return document


def _row(place: str, entry: Any) -> Row:
    if not isinstance(entry, dict):
        raise DataError(f"{place}: expected a JSON object, got {type(entry).__name__}")
    return Row(place, entry)
