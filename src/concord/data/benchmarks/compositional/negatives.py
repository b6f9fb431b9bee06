"""Questions from wrong captions that a source has, or that stand in a file beside it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from concord.data.benchmarks.rows import Row, json_lines
from concord.data.source import BadSample, Source, is_keyed, key_of, metadata_at
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item

log = logging.getLogger(__name__)


class NegativeCaptions:
    """One question for each image and kind of wrong caption: which of them is the right one? The kinds are its subsets.

    Args:
        source: the images. Without a path, its pairs have wrong captions by kind in `metadata["negatives"]`, which stand
            against their first caption.
        path: a JSONL file of objects {"key", "caption", "negatives": {kind: [wrong captions]}}, as `task=negatives` writes
            them; keys are those of the source, and one may have several lines.
        name: for the records; the source's name when not given.
        storage: reads the file.

    Raises:
        DataError: for a file that cannot be read, and one without a line for any image of the source.
    """

    def __init__(self, source: Source, path: str | None = None, name: str | None = None, storage: Storage | None = None) -> None:
        self.source = source
        self.path = path
        self.name = source.name if name is None else name
        self._storage = storage if storage is not None else Storage()

    @property
    def images(self) -> Source:
        return self.source

    @cached_property
    def items(self) -> list[Item]:
        found = list(self._of_metadata() if self.path is None else self._of_file(self.path))
        if not found:
            where = "its examples (metadata negatives)" if self.path is None else self.path
            raise DataError(f"{self.name}: no example has a caption and wrong captions in {where}")
        return found

    def _of_metadata(self) -> Iterator[Item]:
        for index in range(len(self.source)):
            try:
                key, captions, metadata = _about(self.source, index)
            except BadSample:
                continue
            if captions:
                yield from _questions(key, index, captions[0], metadata.get("negatives", {}))

    def _of_file(self, path: str) -> Iterator[Item]:
        index_of = self._indices()
        seen: Counter[str] = Counter()
        unknown = 0
        for row in json_lines(self._storage, path):
            key = row.name("key")
            if key not in index_of:
                unknown += 1
                continue
            seen[key] += 1
            number = f"/{seen[key]}" if seen[key] > 1 else ""
            yield from _questions(key + number, index_of[key], row.text("caption"), _negatives(row))
        if unknown:
            log.warning("%s: %d lines of %s are about images that it does not have", self.name, unknown, path)

    def _indices(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for index in range(len(self.source)):
            try:
                found.setdefault(key_of(self.source, index), index)
            except BadSample:
                continue
        return found


def _about(source: Source, index: int) -> tuple[str, tuple[str, ...], Mapping[str, Any]]:
    """The key, captions and metadata of an example; without its image where the source can tell them so."""
    if is_keyed(source):
        return source.key(index), source.captions(index), metadata_at(source, index)
    pair = source[index]
    return pair.key, pair.captions, pair.metadata


def _negatives(row: Row) -> dict[str, list[str]]:
    inner = row.inner("negatives")
    return {kind: inner.texts(kind) for kind in inner.cells}


def _questions(key: str, image: int, right: str, negatives: Mapping[str, Any]) -> Iterator[Item]:
    for kind, wrong in negatives.items():
        if wrong:
            yield Item(key, "texts", (image,), (right, *wrong), subset=kind)
