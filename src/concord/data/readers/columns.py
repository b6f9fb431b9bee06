"""Pairs that come as the rows of a table, whatever file the table is in."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from concord.data.readers.captions import FieldNames, by_role
from concord.data.readers.cells import CaptionCells, ImageCells, as_text, find_column, is_utf8, plain_values
from concord.data.source import digest, require_captions
from concord.data.storage.paths import without_query
from concord.data.storage.storage import Storage
from concord.types import Pair

KEY = "key"


class Rows(Protocol):
    """The rows of a table, any of them at any time."""

    @property
    def place(self) -> str:
        """The file or folder, for messages."""

    @property
    def columns(self) -> Sequence[str]:
        """All columns that can be asked for."""

    @property
    def values(self) -> Sequence[str]:
        """Those columns that hold single values, which are cheap to read."""

    def __len__(self) -> int: ...

    @property
    def block_sizes(self) -> Sequence[int]:
        """Rows in each block of neighbours that are cheap to read together; they add up to the length."""

    def fingerprint(self) -> str:
        """See `Fingerprinted`."""

    def location(self, index: int) -> str:
        """See `Located`."""

    def label(self, index: int) -> str:
        """A name for a row that has no key."""

    def read(self, index: int, columns: Sequence[str]) -> Mapping[str, Any]:
        """The cells of one row, at least those of `columns`, as plain Python values; None where a cell is empty.

        Raises:
            BadSample: when the row cannot be read.
        """


class ColumnSource:
    """A source whose pairs are the rows of a table. Keys, captions and metadata are read without the image.

    Args:
        rows: the table.
        name: for logs and metrics.
        image: where images stand: a column, or "COLUMN.PATH" for a place inside of its cells.
        caption: where captions stand; see `CaptionCells`.
        key: column of the examples' names; a row that has none is named by `rows.label`.
        root: the folder or URL that image paths start from.
        storage: reads images that are files.

    Raises:
        DataError: for a column that is not there, a table without rows, and one without captions.
    """

    def __init__(self, rows: Rows, name: str, image: str, caption: FieldNames, key: str | None, root: str, storage: Storage) -> None:
        self.name = name
        self._rows = rows
        self._image = find_column(image, rows.columns, "image", rows.place)
        self._captions = CaptionCells(caption, rows.columns, rows.place)
        self._key = find_column(key, rows.columns, "key", rows.place) if key is not None else None
        self._files = ImageCells(root, storage)
        texts = [column.name for _, column in self._captions.columns] + [column.name for column in (self._key,) if column]
        self._used = frozenset({self._image.name, *texts})
        self._key_columns = [self._key.name] if self._key else []
        self._caption_columns = list(dict.fromkeys(texts))
        self._all_columns = list(dict.fromkeys([*texts, *(column for column in rows.values if column not in self._used)]))
        require_captions(self, f"is {', '.join(name for _, name in by_role(caption))} the right column?")

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def block_sizes(self) -> Sequence[int]:
        return self._rows.block_sizes

    def fingerprint(self) -> str:
        return digest(self._rows.fingerprint(), self._image, self._captions.columns, self._key)

    def location(self, index: int) -> str:
        return self._rows.location(index)

    def key(self, index: int) -> str:
        return self._key_of(index, self._rows.read(index, self._key_columns))

    def captions(self, index: int) -> tuple[str, ...]:
        cells = self._rows.read(index, self._caption_columns)
        return self._captions.read(self._key_of(index, cells), cells)

    def metadata(self, index: int) -> Mapping[str, Any]:
        """The single values in the other columns."""
        return plain_values(self._rows.read(index, self._all_columns), self._used)

    def __getitem__(self, index: int) -> Pair:
        cells = self._rows.read(index, [*self._all_columns, self._image.name])  # at once: in a store every request takes its time
        key = self._key_of(index, cells)
        captions = self._captions.read(key, cells)
        image = self._files.read(key, self._image.of(cells))
        return Pair(image, captions, key, self.name, plain_values(cells, self._used))

    def _key_of(self, index: int, cells: Mapping[str, Any]) -> str:
        value = as_text(self._key.of(cells)) if self._key else None
        if isinstance(value, str) and value != "":
            return value if is_utf8(value) else value.encode("utf-8", "backslashreplace").decode()
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self._rows.label(index)


def default_key(rows: Rows, image: str) -> str | None:
    """The column of names where none was given: "key" where there is one, else the images' where those are paths."""
    return next((column for column in (KEY, image) if column in rows.columns and column in rows.values), None)


def folder_of(file: str) -> str:
    """The folder of a file, or the URL of one."""
    return posixpath.dirname(without_query(file)) or "."


def cell_of(scalar: pa.Scalar) -> Any:
    """A cell as a plain Python value. Bytes that are not UTF-8 in a column of text become surrogates; None for what Python lacks."""
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        text = isinstance(scalar, pa.StringScalar | pa.LargeStringScalar | pa.StringViewScalar)
        return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape") if text else None
    except (ValueError, OverflowError):  # a time outside of Python's years
        return None


def is_single(kind: pa.DataType) -> bool:
    """Whether a column of this type holds single values: text, numbers, times."""
    if pa.types.is_dictionary(kind):
        return is_single(kind.value_type)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(text or ((pa.types.is_primitive(kind) or pa.types.is_decimal(kind)) and not pa.types.is_null(kind)))
