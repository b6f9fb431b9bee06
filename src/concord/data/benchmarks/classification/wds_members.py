"""The members of numbered shards, each picture with what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from concord.data.readers.contents import ABSENT, CUT, IMAGE, PICTURES
from concord.data.readers.index import ShardIndex
from concord.data.readers.threads import in_threads
from concord.data.source import BadSample, digest
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError

TEXT, CLASS, VECTOR = 1, 2, 3
SUFFIXES = {TEXT: ".txt", CLASS: ".cls", VECTOR: ".npy"}
KINDS = {**PICTURES, **{suffix: kind for kind, suffix in SUFFIXES.items()}}
END = 1024
"""Bytes of zeros that end a tar."""


class TarPictures:
    """The pictures of shards.

    Args:
        shards: paths or URLs of tar files.
        storage: reads them.

    Raises:
        DataError: for a shard that is no tar or is cut off, shards without members of known kinds, and an example without a
            picture.
    """

    def __init__(self, shards: Sequence[str], storage: Storage) -> None:
        self._index = ShardIndex(shards, storage, KINDS)
        self._storage = storage
        if not len(self._index):
            raise DataError(f"{without_secrets(shards[0])}: no examples in it; members must be called KEY.webp, KEY.cls and so on")
        for _ in in_threads(self._require_end, len(self._index.shards), "reading the ends of shards"):
            pass
        self.require(IMAGE)

    def __len__(self) -> int:
        return len(self._index)

    def key(self, index: int) -> str:
        return self._index.entry(index).key

    def location(self, index: int) -> str:
        return without_secrets(self._index.shards[self._index.place(index)[0]])

    def fingerprint(self) -> str:
        return digest(list(self._index.states))

    def read(self, index: int) -> bytes:
        content = self.member(index, IMAGE)
        if not content:
            raise BadSample("image of zero bytes", self.key(index))
        return content

    def member(self, index: int, kind: int) -> bytes:
        """One member of an example.

        Raises:
            BadSample: when it cannot be read.
        """
        entry = self._index.entry(index)
        offset, size = entry.spans[kind]
        try:
            content = self._storage.read(self._index.shards[entry.shard], offset, size) if size != CUT else b""
        except StorageError as error:
            raise BadSample(f"shard cannot be read ({error.cause})", entry.key, error.path) from None
        if len(content) != size:
            raise BadSample("shard ends before the example does", entry.key)
        return content

    def require(self, kind: int) -> None:
        """Refuse examples that lack a kind of member.

        Raises:
            DataError: naming the first.
        """
        for shard in range(len(self._index.shards)):
            rows = self._index.rows(shard)
            lacking = np.flatnonzero(rows["size"][:, kind] == ABSENT)
            if len(lacking):
                key = rows["key"][lacking[0]].decode("utf-8", "backslashreplace")
                what = "image" if kind == IMAGE else SUFFIXES[kind]
                raise DataError(f"{without_secrets(self._index.shards[shard])}: {len(lacking)} examples have no {what}, such as {key}")

    def members(self, kind: int) -> Iterator[bytes]:
        """This member of every example, in order; small ones, as all are read at once.

        Raises:
            DataError: where an example lacks it, or its shard ends before it does.
        """
        self.require(kind)
        for part in in_threads(lambda shard: self._members_of(shard, kind), len(self._index.shards), "reading labels"):
            yield from part

    def _require_end(self, shard: int) -> None:
        """Refuse a shard that was not copied to its end: the numbers would be those of another test."""
        path, size = self._index.shards[shard], self._index.states[shard].size
        if self._storage.read(path, max(0, size - END), END).strip(b"\0"):
            raise DataError(f"{without_secrets(path)} is cut off, for it lacks the end of a tar; download it again")

    def _members_of(self, shard: int, kind: int) -> list[bytes]:
        rows, path = self._index.rows(shard), self._index.shards[shard]
        spans = list(zip(rows["offset"][:, kind].tolist(), rows["size"][:, kind].tolist(), strict=True))
        end = self._index.states[shard].size
        if any(size < 0 or offset + size > end for offset, size in spans):
            raise DataError(f"{without_secrets(path)} ends before its examples do; download it again")
        return self._storage.read_many(path, spans)
