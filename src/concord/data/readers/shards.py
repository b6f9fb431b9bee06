"""WebDataset shards: tar files that hold KEY.jpg, KEY.txt and KEY.json side by side, read in place at random."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from concord.data.readers.captions import CaptionFields, FieldNames, parse_json
from concord.data.readers.cells import plain_values
from concord.data.readers.contents import ABSENT, CUT, IMAGE, JSON, TEXT
from concord.data.readers.index import Entry, ShardIndex
from concord.data.readers.sidecar import Sidecars, sidecar_of
from concord.data.source import BadSample, digest, require_captions
from concord.data.storage.paths import is_url, without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError
from concord.images import stored_size
from concord.types import Pair

Found = dict[int, bytes | None]
"""Members of one example by kind; None for one that it lacks."""


class Shards:
    """Image-text pairs in uncompressed tar files, as WebDataset and img2dataset write them.

    Every shard's headers are read once, and remembered where the storage has a cache folder; examples are then read in place,
    with one read where image, text and JSON are neighbours. Nothing is extracted: names of members are never paths. How
    members become examples is told in `table_of_contents`.

    Args:
        path: a tar, a folder of them, a glob, a brace pattern ("cc3m-{00000..00331}.tar"), or a list of these; local or URLs.
        caption: "txt", "json:PATH", "parquet:COLUMN" of the Parquet file beside the shard, or several of them, also by role;
            see `CaptionFields`.
        name: for logs and metrics; the folder's name when not given.
        metadata: where what else is known of an example stands: "json" for its JSON, "parquet" for its row of the Parquet file
            beside the shard. None: where the captions come from, and nowhere else.
        keys: what is read of each JSON, beside the captions; the rest, such as a whole article, is passed over. None reads all.
        absent: texts that stand where there is no caption, such as "No caption found".
        min_side: least length of the shorter side of an image, in pixels; smaller ones are bad examples. Looked at when an
            image is read, whereas the filter `ImageSize` looks at all images before training. None looks at none.
        storage: reads the files.

    Raises:
        DataError: for a missing path, a shard that is not a tar, and shards without images or without such captions.
        ValueError: for keys of a JSON that nothing else asks for, and a side below 1.
    """

    def __init__(
        self,
        path: str | list[str],
        caption: FieldNames = "txt",
        name: str | None = None,
        metadata: Literal["json", "parquet"] | None = None,
        keys: list[str] | None = None,
        absent: list[str] | None = None,
        min_side: int | None = None,
        storage: Storage | None = None,
    ) -> None:
        self.fields = CaptionFields(caption, absent or ())
        if keys is not None and metadata != "json" and not self.fields.needs_json:
            raise ValueError(f"keys are read from the JSON, which needs metadata=json, got metadata={metadata}")
        if min_side is not None and min_side < 1:
            raise ValueError(f"min_side must be at least 1 or null, got {min_side}")
        self.min_side = min_side
        self._keys = self.fields.json_keys | set(keys) if keys is not None else None
        self.storage = storage if storage is not None else Storage()
        self.shards = self.storage.find(path, ".tar")
        self.name = name if name is not None else _folder_name(self.shards[0])
        self._index = ShardIndex(self.shards, self.storage)
        self._described_by = metadata
        self._beside = [TEXT] * self.fields.needs_text + [JSON] * (self.fields.needs_json or metadata == "json")
        from_sidecar = self.fields.needs_sidecar or metadata == "parquet"
        self._sidecars = Sidecars(self.storage, self.fields.columns, metadata == "parquet") if from_sidecar else None
        self._check()

    def __len__(self) -> int:
        return len(self._index)

    @property
    def block_sizes(self) -> Sequence[int]:
        """Examples in each shard."""
        return self._index.block_sizes

    def key(self, index: int) -> str:
        return self._entry(index).key

    def location(self, index: int) -> str:
        return without_secrets(self.shards[self._index.place(index)[0]])

    def fingerprint(self) -> str:
        files = [(without_secrets(shard).rpartition("/")[2], *state) for shard, state in zip(self.shards, self._index.states, strict=True)]
        beside = [list(self.storage.state(sidecar_of(shard))) for shard in self.shards] if self._sidecars is not None else []
        read = [self.fields.fields, sorted(self.fields.absent), sorted(self._keys) if self._keys is not None else None]
        return digest(files, beside, read, self._described_by)

    def captions(self, index: int) -> tuple[str, ...]:
        return self._understood(index, self._beside)[2]

    def metadata(self, index: int) -> Mapping[str, Any]:
        entry = self._entry(index)
        return self._known(entry, self._read(entry, [kind for kind in self._beside if kind == JSON]))[2]

    def __getitem__(self, index: int) -> Pair:
        entry, found, captions, metadata = self._understood(index, [IMAGE, *self._beside])
        image = found[IMAGE]
        if not image:
            raise BadSample("no image" if image is None else "image of zero bytes", entry.key)
        if self.min_side is not None:
            _require_size(image, self.min_side, entry.key)
        return Pair(image, captions, entry.key, self.name, metadata)

    def _understood(self, index: int, kinds: Sequence[int]) -> tuple[Entry, Found, tuple[str, ...], dict[str, Any]]:
        entry = self._entry(index)
        found = self._read(entry, kinds)
        document, row, metadata = self._known(entry, found)
        return entry, found, self.fields.read(entry.key, found.get(TEXT), document, row), metadata

    def _known(self, entry: Entry, found: Found) -> tuple[Any, dict[str, Any] | None, dict[str, Any]]:
        """The example's JSON, its row of the sidecar, and what they say together."""
        content = found.get(JSON)
        document = parse_json(entry.key, content, self._keys) if content is not None else None
        row = self._sidecars.row(self.shards[entry.shard], entry.key) if self._sidecars is not None else None
        values = plain_values(row, frozenset()) if row is not None else {}
        return document, row, values | document if isinstance(document, dict) else values

    def _entry(self, index: int) -> Entry:
        try:
            return self._index.entry(index)
        except StorageError as error:
            raise BadSample(f"shard cannot be read ({error.cause})", f"{self.name}/{index}", error.path) from None

    def _read(self, entry: Entry, kinds: Sequence[int]) -> Found:
        """The members of these kinds, in one read where they are neighbours."""
        present = [kind for kind in kinds if entry.spans[kind][1] != ABSENT]
        spans = [entry.spans[kind] for kind in present]
        if any(size == CUT for _, size in spans):
            raise BadSample("shard ends before the example does", entry.key)
        try:
            contents = self.storage.read_many(self.shards[entry.shard], spans)
        except StorageError as error:
            raise BadSample(f"shard cannot be read ({error.cause})", entry.key, error.path) from None
        if any(len(content) != size for content, (_, size) in zip(contents, spans, strict=True)):
            raise BadSample("shard ends before the example does", entry.key)
        found = dict(zip(present, contents, strict=True))
        return {kind: found.get(kind) for kind in kinds}

    def _check(self) -> None:
        where = without_secrets(self.shards[0])
        if len(self.shards) > 1:
            where = f"{where.rpartition('/')[0]} ({len(self.shards)} shards)"
        if not any((self._index.rows(shard)["size"][:, IMAGE] != ABSENT).any() for shard in range(len(self.shards))):
            raise DataError(f"{where}: no image in it; members must be called KEY.jpg, .jpeg, .png or .webp")
        if self._sidecars is not None:
            self._sidecars.check(self.shards[0])
        require_captions(self, self.fields.advice(self._first_document()))

    def _first_document(self) -> Any:
        """The first JSON of the first shard, to learn from; None where there is none."""
        for row in np.flatnonzero(self._index.rows(0)["size"][:, JSON] > 0)[:1].tolist():
            try:
                entry = self._index.entry(row)
                return parse_json(entry.key, self._read(entry, [JSON])[JSON] or b"")
            except BadSample:
                return None
        return None


def _require_size(image: bytes, min_side: int, key: str) -> None:
    try:
        size = stored_size(image)
    except DataError as error:
        raise BadSample("image cannot be decoded", key, str(error)) from None
    if min(size) < min_side:
        raise BadSample("image is too small", key, f"{size[0]} x {size[1]} pixels")


def _folder_name(shard: str) -> str:
    """The name of the folder that holds a shard; of a URL without folders the server's."""
    folder = os.path.dirname(os.path.abspath(shard)) if not is_url(shard) else without_secrets(shard).rpartition("/")[0]
    return os.path.basename(folder)
