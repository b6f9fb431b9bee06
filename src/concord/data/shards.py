"""WebDataset shards: tar files that hold KEY.jpg, KEY.txt and KEY.json side by side, read in place at random."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from concord.data.captions import CaptionFields, parse_json
from concord.data.paths import find_files
from concord.data.source import BadSample, require_captions
from concord.data.tar import TarDamage, members
from concord.errors import DataError
from concord.types import Pair

logger = logging.getLogger(__name__)

IMAGE, TEXT, JSON = range(3)
KINDS = {".jpg": IMAGE, ".jpeg": IMAGE, ".png": IMAGE, ".webp": IMAGE, ".txt": TEXT, ".json": JSON}
ABSENT, CUT = -1, -2  # in place of a size: no such member; a member that runs over the end of its shard


class Shards:
    """Image-text pairs in uncompressed tar files, as WebDataset and img2dataset write them.

    Every shard's headers are read once, when the source is made; examples are then read by position, and nothing is
    written to disk. Members belong together when their names agree up to the last dot, wherever in the shard they stand.

    Args:
        path: a tar, a folder of them, a glob, a brace pattern ("cc3m-{00000..00331}.tar"), or a list of these.
        caption: "txt", "json:PATH", or a list of them; see `CaptionFields`.
        name: for logs and metrics; the folder's name when not given.

    Raises:
        DataError: for a missing path, a shard that is not a tar, and shards without images or without such captions.
    """

    def __init__(self, path: str | list[str], caption: str | list[str] = "txt", name: str | None = None) -> None:
        self.fields = CaptionFields(caption)
        self.shards = find_files(path, ".tar")
        self.name = name if name is not None else self.shards[0].resolve().parent.name
        indexes = [_index(shard) for shard in self.shards]
        self._keys = [key for keys, _ in indexes for key in keys]
        self._spans = np.concatenate([spans for _, spans in indexes])  # [n, 3 kinds, (offset, size)]
        self._shard = np.repeat(np.arange(len(indexes)), [len(keys) for keys, _ in indexes])
        self._check()

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, index: int) -> str:
        return self._keys[index]

    def captions(self, index: int) -> tuple[str, ...]:
        return self._read_captions(index)[0]

    def __getitem__(self, index: int) -> Pair:
        captions, document = self._read_captions(index)
        image = self._read(index, IMAGE)
        if not image:
            raise BadSample("no image" if image is None else "image of zero bytes", self._keys[index])
        return Pair(image, captions, self._keys[index], self.name, document if isinstance(document, dict) else {})

    def _read_captions(self, index: int) -> tuple[tuple[str, ...], Any]:
        key = self._keys[index]
        content = self._read(index, JSON) if self.fields.needs_json else None
        document = parse_json(key, content) if content is not None else None
        return self.fields.read(key, self._read(index, TEXT), document), document

    def _read(self, index: int, kind: int) -> bytes | None:
        offset, size = self._spans[index, kind].tolist()
        if size == ABSENT:
            return None
        if size == CUT:
            raise BadSample("shard ends before the example does", self._keys[index])
        try:
            with open(self.shards[self._shard[index]], "rb", buffering=0) as file:
                content = os.pread(file.fileno(), size, offset)
        except OSError as error:
            raise BadSample(f"shard cannot be read ({type(error).__name__})", self._keys[index]) from None
        if len(content) != size:
            raise BadSample("shard ends before the example does", self._keys[index])
        return content

    def _check(self) -> None:
        where = self.shards[0] if len(self.shards) == 1 else f"{self.shards[0].parent} ({len(self.shards)} shards)"
        if not len(self) or (self._spans[:, IMAGE, 1] == ABSENT).all():
            raise DataError(f"{where}: no image in it; members must be called KEY.jpg, .jpeg, .png or .webp")
        require_captions(self, self.fields.advice(self._first_document()))

    def _first_document(self) -> Any:
        for index in np.flatnonzero(self._spans[:, JSON, 1] > 0)[:1].tolist():
            try:
                return parse_json(self._keys[index], self._read(index, JSON) or b"")
            except BadSample:
                return None
        return None


def _index(shard: Path) -> tuple[list[str], np.ndarray]:
    """Keys of a shard in order of first appearance, and where their members lie: int64 [n, 3, 2]."""
    end = shard.stat().st_size
    spans: dict[str, list[list[int]]] = {}
    repeated = 0
    for key, kind, offset, size in _recognised(shard):
        rows = spans.setdefault(key, [[0, ABSENT], [0, ABSENT], [0, ABSENT]])
        if rows[kind][1] != ABSENT:
            repeated += 1
            continue
        rows[kind] = [offset, size] if offset + size <= end else [0, CUT]
    if repeated:
        logger.warning("%s: %d members repeat an earlier name; the first of each is used", shard, repeated)
    return list(spans), np.array(list(spans.values()), dtype=np.int64).reshape(-1, 3, 2)


def _recognised(shard: Path) -> Iterator[tuple[str, int, int, int]]:
    try:
        for name, offset, size in members(shard):
            stem, suffix = os.path.splitext(name)
            hidden = os.path.basename(stem).startswith("._")  # resource forks that macOS puts into tars
            if (kind := KINDS.get(suffix.lower())) is not None and not hidden:
                yield stem, kind, offset, size
    except TarDamage as damage:
        what = "is not an uncompressed tar" if damage.position == 0 else f"is damaged at byte {damage.position}"
        raise DataError(f"{shard} {what}; download it again or leave it out of path") from None
    except OSError as error:
        raise DataError(f"{shard} cannot be read: {error.strerror}") from None
