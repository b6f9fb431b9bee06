"""From the cells of a table's rows to classes.

Dimensions: N rows, C classes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from concord.data.benchmarks.classification.labelled import UNKNOWN, readable
from concord.data.readers.cells import as_text, find_column
from concord.errors import ConfigError, DataError, nearest

logger = logging.getLogger(__name__)

Policy = Literal["unknown", "positive", "negative"]
MEANING: dict[Policy, int] = {"unknown": UNKNOWN, "positive": 1, "negative": 0}

Cells = Sequence[Mapping[str, Any]]


class Classes(NamedTuple):
    """What the rows say.

    Attributes:
        kept: numbers of the rows that are of one of the classes.
        labels: of these rows, int64 [N] or int8 [N, C].
        names: of the classes, as the table has them.
    """

    kept: list[int]
    labels: NDArray[Any]
    names: list[str]


class ClassReader(Protocol):
    """Knows where classes stand."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns that it needs."""
        ...

    def read(self, rows: Cells, place: str) -> Classes: ...


class ClassColumn:
    """One column that says the class, or the classes.

    Args:
        column: its name; its cells hold a class, or a list of classes.
        columns: what columns there are.
        place: the file, for messages.
        values: the cells by label; None: integers are labels, names are those of `names` or else all that there are, sorted.
        names: of the classes, where they are known.
        between: what separates several classes in a cell, such as "|"; None: a cell of text is one class.
    """

    def __init__(
        self, column: str, columns: Sequence[str], place: str, values: list[str] | None, names: list[str] | None, between: str | None
    ) -> None:
        self._column = find_column(column, columns, "label", place)
        self.columns = [self._column.name]
        self._values = values
        self._names = names
        self._between = between

    def read(self, rows: Cells, place: str) -> Classes:
        cells = [self._column.of(row) for row in rows]
        if self._between is not None or any(isinstance(cell, list) for cell in cells):
            return self._sets([self._classes(cell) for cell in cells], place)
        texts = [plain(cell) for cell in cells]
        order = self._order(set(texts), place)
        labels = {value: label for label, value in enumerate(order)}
        kept = [number for number, text in enumerate(texts) if text in labels]
        _tell_of_others(place, self._column.name, texts, kept)
        return Classes(kept, np.array([labels[texts[number]] for number in kept], dtype=np.int64), [readable(value) for value in order])

    def _sets(self, sets: list[set[str]], place: str) -> Classes:
        """Rows of any number of classes, also of none."""
        order = self._order(set().union(*sets), place)
        labels = {value: label for label, value in enumerate(order)}
        several = np.zeros((len(sets), len(order)), dtype=np.int8)
        for number, classes in enumerate(sets):
            several[number, [labels[value] for value in classes if value in labels]] = 1
        return Classes(list(range(len(sets))), several, [readable(value) for value in order])

    def _classes(self, cell: Any) -> set[str]:
        parts = plain(cell).split(self._between) if not isinstance(cell, list) else [plain(part) for part in cell]
        return {part.strip() for part in parts} - {""}

    def _order(self, found: set[str], place: str) -> list[str]:
        """The values of cells by label."""
        if self._values is not None:
            return self._values
        if all(value.isascii() and value.isdigit() for value in found):
            return self._numbers(found, place)
        if self._names is None:
            return sorted(found - {""})
        unknown = next((value for value in sorted(found) if value not in self._names), None)
        if unknown is not None:
            raise DataError(f"{place}, column {self._column.name}: {unknown!r} is no class; {nearest(unknown, self._names)}, or set values")
        return self._names

    def _numbers(self, found: set[str], place: str) -> list[str]:
        if self._names is None:
            raise ConfigError(f"class_names must be given: column {self._column.name} of {place} holds numbers")
        outside = next((value for value in sorted(found) if value not in map(str, range(len(self._names)))), None)
        if outside is not None:
            raise DataError(f"{place}, column {self._column.name}: label {outside} lies outside of [0, {len(self._names) - 1}]; set values")
        return [str(label) for label in range(len(self._names))]


class FindingColumns:
    """One column per class, with 1 for yes, 0 for no, -1 for uncertain, or nothing, as CheXpert's labeller writes them.

    Args:
        findings: the columns, by label.
        columns: what columns there are.
        place: the file, for messages.
        uncertain: what -1 counts as.
        blank: what an empty cell counts as.
        exclusive: every row has one finding, which is its class.
    """

    def __init__(
        self, findings: Sequence[str], columns: Sequence[str], place: str, uncertain: Policy, blank: Policy, exclusive: bool
    ) -> None:
        self._findings = [find_column(name, columns, "findings", place) for name in findings]
        self.columns = list(dict.fromkeys(column.name for column in self._findings))
        self._uncertain: Policy = uncertain
        self._blank: Policy = blank
        self._exclusive = exclusive
        self._names = [readable(name) for name in findings]

    def read(self, rows: Cells, place: str) -> Classes:
        read = [[self._label(column.of(row), f"{place}, row {number}") for column in self._findings] for number, row in enumerate(rows)]
        labels = np.array(read, dtype=np.int8)
        return Classes(list(range(len(rows))), self._single(labels, place) if self._exclusive else labels, self._names)

    def _single(self, labels: NDArray[np.int8], place: str) -> NDArray[np.int64]:
        wrong = np.flatnonzero((labels == 1).sum(axis=1) != 1)
        if len(wrong):
            found = int((labels[wrong[0]] == 1).sum())
            raise DataError(f"{place}, row {wrong[0]}: {found} of the findings are 1; exclusive findings need one per row")
        return (labels == 1).argmax(axis=1)

    def _label(self, cell: Any, place: str) -> int:
        try:
            return finding_of(cell, self._uncertain, self._blank)
        except ValueError:
            raise DataError(f"{place}: a finding must be 1, 0, -1 or empty, got {plain(cell).strip()[:40]!r}") from None


def finding_of(cell: Any, uncertain: Policy, blank: Policy) -> int:
    """1, 0 or `UNKNOWN`, from 1, 0, -1 or nothing as CheXpert's labeller writes them.

    Raises:
        ValueError: for any other value.
    """
    text = plain(cell).strip().lower()
    if text in ("", "nan"):
        return MEANING[blank]
    number = float({"true": "1", "false": "0"}.get(text, text))
    if number not in (1.0, 0.0, -1.0):
        raise ValueError(f"a finding must be 1, 0, -1 or empty, got {number}")
    return int(number) if number >= 0 else MEANING[uncertain]


def plain(cell: Any) -> str:
    """A cell as text; "" for nothing, and whole numbers without a decimal point."""
    value = as_text(cell)
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _tell_of_others(place: str, column: str, texts: Sequence[str], kept: Sequence[int]) -> None:
    if not kept:
        raise DataError(f"{place}, column {column}: no row is of one of the classes, such as {texts[0][:40]!r} in the first; set values")
    if len(kept) < len(texts):
        used = set(kept)
        other = next(text for number, text in enumerate(texts) if number not in used)
        logger.warning("%s: %d rows are of none of the classes and left out, such as %r", place, len(texts) - len(kept), other[:40])
