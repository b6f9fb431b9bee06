"""Captions from other files, such as rewrites by a language model, added to those that a source has."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from concord.access import is_guarded
from concord.data.readers.captions import FieldNames, by_role
from concord.data.readers.cells import CaptionCells
from concord.data.readers.text_rows import TextRows, find_tables
from concord.data.source import NO_CAPTION, BadSample, Source, block_sizes, digest, fingerprint_of, key_of, number_for
from concord.data.storage.storage import Storage
from concord.data.wrapper import Wrapper
from concord.errors import DataError
from concord.types import Pair

logger = logging.getLogger(__name__)


class Rewrites(Wrapper):
    """A source whose examples have more captions: after their own come those that files hold for them.

    With the caption policy `random` each visit reads the caption or one of its rewrites, as LaCLIP does (Fan et al. 2023).

    Args:
        source: the pairs.
        path: CSV, TSV, JSON, JSONL or Parquet files, folders of Parquet files, patterns, or a list of these.
        caption: column of captions, several, or columns by role; see `captions_of` for cells that hold several.
        key: column of the examples' names; several rows may have one name. None: by order, row i of every file belongs to
            example i, as LaCLIP's files are made.
        role: of the captions, where `caption` does not say.
        storage: reads the files. What is read of them, the captions and the names, is kept in memory.

    Attributes:
        matched: how many examples have rows in the files.
        unused: how many rows belong to no example.

    Raises:
        DataError: for a missing file or column, files without a row for each example where there is no key, and keys of which
            none is the name of an example.
    """

    def __init__(
        self,
        source: Source,
        path: str | list[str],
        caption: FieldNames = "caption",
        key: str | None = None,
        role: str = "rewrite",
        storage: Storage | None = None,
    ) -> None:
        self.source = source
        self.name = source.name
        storage = storage if storage is not None else Storage()
        fields = dict(caption) if isinstance(caption, Mapping) else {role: caption}
        self._settings = fields, key
        wanted = [name for _, name in by_role(fields)]
        self._files = [TextRows(file, wanted, key, storage) for file in find_tables(path, storage)]
        self._captions = [CaptionCells(fields, file.columns, file.place) for file in self._files]
        self._ends = np.cumsum([len(file) for file in self._files])
        self._rows, self._starts = self._by_order() if key is None else self._by_key(key)
        held = np.diff(self._starts)
        self.matched = int(np.count_nonzero(held))
        self.unused = int(self._ends[-1]) - len(np.unique(self._rows))
        logger.info("%s: %d of %d examples have captions in %s; %d rows are unused", self.name, self.matched, len(self), path, self.unused)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def inside(self) -> Sequence[Source]:
        return [self.source]

    def place(self, index: int) -> tuple[Source, int]:
        return self.source, index

    @property
    def block_sizes(self) -> Sequence[int]:
        return block_sizes(self.source)

    def fingerprint(self) -> str | None:
        inner = fingerprint_of(self.source)
        return digest(inner, [file.state for file in self._files], *self._settings) if inner is not None else None

    def __getitem__(self, index: int) -> Pair:
        pair = self.source[index]
        return replace(pair, captions=(*pair.captions, *self._added(index)))

    def captions(self, index: int) -> tuple[str, ...]:
        return (*super().captions(index), *self._added(index))

    def _added(self, index: int) -> Iterator[str]:
        """What the files hold for one example; rows without a caption add nothing."""
        for row in self._rows[self._starts[index] : self._starts[index + 1]].tolist():
            number = int(np.searchsorted(self._ends, row, side="right"))
            file = self._files[number]
            try:
                yield from self._captions[number].read("", file.read(row - int(self._ends[number]) + len(file)))
            except BadSample as bad:
                if bad.cause != NO_CAPTION:
                    raise BadSample(bad.cause, self.key(index), f"a caption in {file.place}") from None

    def _by_order(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of all examples, example by example, and where each example's begin, int64 [rows] and [n + 1]."""
        for file in self._files:
            if len(file) != len(self):
                raise DataError(
                    f"{file.place}: {len(file)} rows for {len(self)} examples of {self.name}; without a key there must be one for each"
                )
        files = len(self._files)
        return np.arange(files * len(self)).reshape(files, -1).T.ravel(), np.arange(len(self) + 1) * files

    def _by_key(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """As `_by_order`; names are compared by their numbers, which take 8 bytes each."""
        names = [file.name(row) for file in self._files for row in range(len(file))]
        rows = np.fromiter(map(number_for, names), dtype=np.uint64, count=len(names))
        order = np.argsort(rows, kind="stable")
        examples = np.fromiter((number_for(_key(self.source, index)) for index in range(len(self))), dtype=np.uint64, count=len(self))
        first = np.searchsorted(rows[order], examples, side="left")
        held = np.searchsorted(rows[order], examples, side="right") - first
        starts = np.append(0, np.cumsum(held))
        if not starts[-1]:
            row, example = ("", "") if is_guarded(self) else (f", such as {names[0]!r},", f", such as {_key(self.source, 0)!r}")
            raise DataError(
                f"{self._files[0].place}: no {key} of {len(names)} rows{row} is the name of an example of {self.name}{example}; "
                "name another column as key"
            )
        return order[np.repeat(first - starts[:-1], held) + np.arange(starts[-1])], starts


def _key(source: Source, index: int) -> str:
    """The name of an example; "" where it cannot be read."""
    try:
        return key_of(source, index)
    except BadSample:
        return ""
