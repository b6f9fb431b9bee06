"""From a table's cells to what a pair is made of: an image's bytes, captions, and plain values about them."""

from __future__ import annotations

import datetime
import decimal
import json
import os
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from concord.data.readers.captions import FieldNames, at_path, by_role, captions_of, usable
from concord.data.source import BadSample
from concord.data.storage.paths import is_url, protocol_of
from concord.data.storage.storage import Storage, StorageError
from concord.errors import ConfigError, DataError, nearest

PACKED = "metadata"
"""A column of this name that holds JSON objects, as `task=prepare` writes it, is unpacked."""

PLAIN = (str, int, float, bool, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta)


class Column(NamedTuple):
    """A place in every row: a column, and inside of its cells a path of keys and list positions joined with dots, or ""."""

    name: str
    path: str

    def of(self, cells: Mapping[str, Any]) -> Any:
        """What stands there in this row; None for nothing."""
        value = cells.get(self.name)
        return at_path(value, self.path) if self.path else value


def find_column(name: str, columns: Sequence[str], argument: str, place: str) -> Column:
    """The column called `name`, or where there is none, the path inside of one: "json.caption" in the column "json".

    Raises:
        DataError: naming the argument and the place, with the nearest columns.
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (column := ".".join(parts[:length])) in columns:
            return Column(column, ".".join(parts[length:]))
    raise DataError(f"{place}: no column {name!r} ({argument}); {nearest(name, columns)}")


class CaptionCells:
    """Reads captions from the cells of a row; see `captions_of` for the values that hold some.

    Args:
        caption: a column, several, or columns by role. With several a row has the captions of all that it fills, in this order.
        columns: what columns there are.
        place: the file, for messages.

    Raises:
        ConfigError: when no column is given.
        DataError: for a column that is not there.
    """

    def __init__(self, caption: FieldNames, columns: Sequence[str], place: str) -> None:
        self.columns = [(role, find_column(name, columns, "caption", place)) for role, name in by_role(caption)]
        if not self.columns:
            raise ConfigError("caption is empty; give a column, a list of columns, or columns by role")

    def read(self, key: str, cells: Mapping[str, Any]) -> tuple[str, ...]:
        """The captions of one row.

        Raises:
            BadSample: when there is none, or one is not UTF-8.
        """
        return usable(key, [text for role, column in self.columns for text in captions_of(as_text(column.of(cells)), role)])


def as_text(value: Any) -> Any:
    """Bytes as text, for files whose writer did not say that a column holds text; bytes that are not UTF-8 as surrogates."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return [as_text(item) for item in value] if isinstance(value, list) else value


def is_utf8(text: str) -> bool:
    """Whether text can be written: it holds no half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


class ImageCells:
    """Reads images from cells: encoded bytes, the path of a file, or {"bytes": ..., "path": ...} as Hugging Face's `Image` stores it.

    Relative paths start from `root` and stay below it. Absolute paths are read as they stand where the root is a folder of this
    machine, and URLs where the root is a URL of the same scheme: a table from elsewhere cannot point at other places.

    Args:
        root: a folder or the URL of one.
        storage: reads the files.
    """

    def __init__(self, root: str, storage: Storage) -> None:
        self.root = root if is_url(root) else os.path.expanduser(root)
        self.storage = storage

    def read(self, key: str, cell: Any) -> bytes:
        """The encoded image of one row.

        Raises:
            BadSample: when there is none, or its file cannot be read.
        """
        if isinstance(cell, Mapping):
            cell = cell.get("bytes") if cell.get("bytes") is not None else cell.get("path")
        if cell is None or cell == "":
            raise BadSample("no image", key)
        content = self._file(key, cell) if isinstance(cell, str) else cell
        if not isinstance(content, bytes):
            raise BadSample("image is neither bytes nor a path", key, type(cell).__name__)
        if not content:
            raise BadSample("image of zero bytes", key)
        return content

    def _file(self, key: str, path: str) -> bytes:
        place = resolve(self.root, path)
        if place is None:
            raise BadSample("image path leaves image_root", key)
        if not is_url(place) and not os.path.isfile(place):  # or it is a folder, or a pipe that would never answer
            raise BadSample("image file not found", key)
        try:
            return self.storage.read(place)
        except StorageError as error:
            raise BadSample(f"image {error.cause}", key) from None


def resolve(root: str, path: str) -> str | None:
    """Where an image path leads that starts from `root`; None where it may not lead."""
    if is_url(path):
        return path if is_url(root) and protocol_of(path) == protocol_of(root) else None
    if path.startswith("/"):
        return None if is_url(root) else path
    below = posixpath.normpath(path)
    return None if below == ".." or below.startswith("../") else f"{root.rstrip('/')}/{below}"


def plain_values(cells: Mapping[str, Any], without: frozenset[str]) -> dict[str, Any]:
    """The single values among a row's cells, those of some columns left out; see `PACKED` for the one that is unpacked."""
    values = {name: _writable(value) for name, value in cells.items() if name not in without and isinstance(value, PLAIN)}
    packed = _parsed(values.get(PACKED))
    if isinstance(packed, dict):
        del values[PACKED]
        values |= packed
    return values


def _writable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not is_utf8(value) else value


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None
