"""Pictures and classes in the rows of a table, whatever file the table is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from concord.data.benchmarks.classification.class_cells import ClassColumn, ClassReader, FindingColumns, Policy, plain
from concord.data.benchmarks.classification.labelled import Labelled, names_of
from concord.data.readers.cells import ImageCells, find_column, plain_values
from concord.data.readers.columns import Rows, default_key
from concord.data.source import PROBED, BadSample, digest
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError

Where = Mapping[str, str | list[str]]


class LabelledRows(Labelled):
    """A data set of classification whose examples are rows.

    Args:
        rows: the table.
        name: for logs and metrics.
        image: column of the pictures, or its number.
        classes: reads the classes.
        class_names: by label; None takes what the table has.
        where: only rows whose cells are, by column, this or one of these.
        key: column of the examples' names; when not given the column "key", or the images' paths, or else the rows' numbers.
        suffix: follows the images' names in the column, such as ".png".
        root: the folder or URL that image paths start from.
        storage: reads images that are files.

    Raises:
        DataError: for a missing column, a table of whose rows none is left, and one of whose images none is there.
    """

    def __init__(
        self,
        rows: Rows,
        name: str,
        image: str | int,
        classes: ClassReader,
        class_names: Sequence[str] | None,
        where: Where,
        key: str | None,
        suffix: str,
        root: str,
        storage: Storage,
    ) -> None:
        image = column_name(image, rows)
        chosen, cells = _chosen(rows, where, classes.columns)
        found = classes.read(cells, rows.place)
        kept = [chosen[number] for number in found.kept]
        key = key if key is not None else default_key(rows, image)
        pictures = RowPictures(rows, kept, image, key, suffix, ImageCells(root, storage))
        super().__init__(name, pictures, found.labels, class_names if class_names is not None else found.names)
        self._rows = pictures
        self._used = frozenset([*classes.columns, pictures.column, ""])  # the column of row numbers that pandas writes has no name
        pictures.require()

    def _known(self, index: int) -> Mapping[str, Any]:
        return self._rows.values(index, self._used)


class RowPictures:
    """The pictures of some rows.

    Args:
        rows: the table.
        chosen: the numbers of N of them.
        image: their column.
        key: column of names, or None.
        suffix: follows the names of files.
        cells: reads them.
    """

    def __init__(self, rows: Rows, chosen: Sequence[int], image: str, key: str | None, suffix: str, cells: ImageCells) -> None:
        self._rows = rows
        self._chosen = chosen
        self._image = find_column(image, rows.columns, "image", rows.place)
        self._key = find_column(key, rows.columns, "key", rows.place) if key is not None else None
        self._suffix = suffix
        self._cells = cells

    @property
    def column(self) -> str:
        """The one that holds the pictures."""
        return self._image.name

    def __len__(self) -> int:
        return len(self._chosen)

    def key(self, index: int) -> str:
        text = plain(self._key.of(self._rows.read(self._chosen[index], [self._key.name]))) if self._key is not None else ""
        return text.encode("utf-8", "backslashreplace").decode() or self._rows.label(self._chosen[index])

    def location(self, index: int) -> str:
        return self._rows.location(self._chosen[index])

    def fingerprint(self) -> str:
        return digest(self._rows.fingerprint(), list(self._chosen), self._image, self._key, self._suffix)

    def read(self, index: int) -> bytes:
        cell = self._image.of(self._rows.read(self._chosen[index], [self._image.name]))
        named = isinstance(cell, str | int) and cell != ""  # numbers name files too
        return self._cells.read(self.key(index), f"{cell}{self._suffix}" if named else cell)

    def values(self, index: int, without: frozenset[str]) -> dict[str, Any]:
        """The single values of the row in other columns."""
        return plain_values(self._rows.read(self._chosen[index], self._rows.values), without)

    def require(self) -> None:
        """Read up to `PROBED` of them, spread over all, until one is there.

        Raises:
            DataError: when none is.
        """
        for index in range(0, len(self), -(-len(self) // PROBED)):
            try:
                self.read(index)
            except BadSample as error:
                problem = error
            else:
                return
        raise DataError(f"{self._rows.place}: none of its images can be read ({problem}); are image and image_root right?")


def class_reader(
    rows: Rows,
    label: str | int | None,
    findings: list[str] | None,
    values: list[str] | None,
    class_names: list[str] | str | None,
    between: str | None,
    uncertain: Policy,
    blank: Policy,
    exclusive: bool,
) -> ClassReader:
    """Where the classes of a table stand; the arguments are those of `LabelledTable`.

    Raises:
        ConfigError: unless there is either a label or findings.
    """
    if (label is None) == (findings is None):
        raise ConfigError("give either label, the column of the class, or findings, a column per class, and set the other to null")
    if findings is not None:
        if values is not None or between is not None:
            raise ConfigError("values and between belong to label; set them to null where there are findings")
        return FindingColumns(findings, rows.columns, rows.place, uncertain, blank, exclusive)
    assert label is not None
    return ClassColumn(
        column_name(label, rows), rows.columns, rows.place, values, names_of(class_names) if class_names is not None else None, between
    )


def column_name(column: str | int, rows: Rows) -> str:
    """The name of a column, or of the one with this number.

    Raises:
        DataError: for a number that is too large.
    """
    if isinstance(column, str):
        return column
    if not 0 <= column < len(rows.columns):
        raise DataError(f"{rows.place} has no column {column}; it has {len(rows.columns)}, numbered from 0")
    return rows.columns[column]


def _chosen(rows: Rows, where: Where, columns: Sequence[str]) -> tuple[list[int], list[Mapping[str, Any]]]:
    """The numbers of the rows that fit, and their cells in some columns."""
    conditions = [(find_column(name, rows.columns, "where", rows.place), values) for name, values in where.items()]
    asked = list(dict.fromkeys([*columns, *(column.name for column, _ in conditions)]))
    chosen, cells = [], []
    for number in range(len(rows)):
        row = rows.read(number, asked)
        if all(plain(column.of(row)) in ([values] if isinstance(values, str) else values) for column, values in conditions):
            chosen.append(number)
            cells.append(row)
    if not chosen:
        raise DataError(f"{rows.place}: no row is left by where: {', '.join(f'{name} = {values}' for name, values in where.items())}")
    return chosen, cells
