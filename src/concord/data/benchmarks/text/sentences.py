"""Pairs of sentences with a score, in the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from concord.data.benchmarks.classification.table import table_rows
from concord.data.readers.cells import Column, find_column
from concord.data.source import digest
from concord.data.storage.paths import without_query
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import SentencePair


class ScoredSentences:
    """A test of semantic textual similarity (STS), all of it read at the start.

    Args:
        path: .csv, .tsv, .json (a list of objects) or .jsonl, also compressed (.gz), or .parquet; a file or its URL.
        first, second: columns of the two sentences.
        score: column of the number that people gave.
        where: only rows whose cells are, by column, this: {SemEval_set: TEST}.
        separator: what stands between the cells of a CSV or TSV file, one character or "tab"; by the suffix when not given.
        header: names of the columns of a CSV or TSV file that does not name them in its first line.
        name: for logs and metrics; the file's name when not given.
        storage: reads the table.

    Raises:
        DataError: for a missing file, one that cannot be parsed, a column that is not there, and a row without two sentences and a
            finite score.
        ValueError: for a separator or header that the file cannot have.
    """

    def __init__(
        self,
        path: str,
        first: str = "sentence1",
        second: str = "sentence2",
        score: str = "score",
        where: dict[str, str] | None = None,
        separator: str | None = None,
        header: list[str] | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        rows = table_rows(path, separator, header, storage if storage is not None else Storage())
        self.name = name if name is not None else without_query(path).rpartition("/")[2].partition(".")[0]
        named = {"first": first, "second": second, "score": score}
        self._columns = {argument: find_column(column, rows.columns, argument, rows.place) for argument, column in named.items()}
        conditions = [(find_column(column, rows.columns, "where", rows.place), value) for column, value in (where or {}).items()]
        asked = list(dict.fromkeys([column.name for column in (*self._columns.values(), *(own for own, _ in conditions))]))
        self.pairs: list[SentencePair] = []
        for number in range(len(rows)):
            cells = rows.read(number, asked)
            if all(str(column.of(cells)) == value for column, value in conditions):
                self.pairs.append(self._pair(cells, rows.label(number), rows.location(number)))
        if not self.pairs:
            raise DataError(
                f"{rows.place}: no row is left by where: {', '.join(f'{key} = {value}' for key, value in (where or {}).items())}"
            )

    def fingerprint(self) -> str:
        return digest(*((pair.key, pair.first, pair.second, pair.score) for pair in self.pairs))

    def __len__(self) -> int:
        return len(self.pairs)

    def _pair(self, cells: Mapping[str, Any], key: str, place: str) -> SentencePair:
        first, second = (_text(self._columns[side], cells, place) for side in ("first", "second"))
        value = self._columns["score"].of(cells)
        try:
            score = float(value)
        except (TypeError, ValueError):
            raise DataError(f"{place}: column {self._columns['score'].name} must hold a number, got {value!r}") from None
        if not math.isfinite(score):
            raise DataError(f"{place}: column {self._columns['score'].name} must hold a finite number, got {value!r}")
        return SentencePair(key, first, second, score)


def _text(column: Column, cells: Mapping[str, Any], place: str) -> str:
    text = column.of(cells)
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{place}: column {column.name} must hold a sentence, got {text!r}")
    return text
