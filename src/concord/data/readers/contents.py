"""The table of contents of one WebDataset shard: which examples it holds, and where their members lie.

Dimensions: N examples, K kinds of members.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Mapping

import numpy as np

from concord.data.readers.tar import Member, TarDamage, members
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

logger = logging.getLogger(__name__)

IMAGE, TEXT, JSON = range(3)
PICTURES = {".jpg": IMAGE, ".jpeg": IMAGE, ".png": IMAGE, ".webp": IMAGE}
KINDS = {**PICTURES, ".txt": TEXT, ".json": JSON}
"""What the members of image-text shards are, by suffix; other shards have kinds of their own, numbered from `IMAGE` on."""

ABSENT, CUT = -1, -2
"""In place of a size: no such member; a member that runs over the end of its shard."""

LONGEST_KEY = 200  # bytes; longer ones keep their start and end with a digest, so that one name cannot fill the memory

_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

_Groups = dict[str, list[list[int]]]
"""By name without suffix: offset and size of the member of each kind."""


def kind_count(kinds: Mapping[str, int]) -> int:
    """K, how many kinds of members suffixes stand for."""
    return max(kinds.values()) + 1


def row_type(key_bytes: int, kinds: Mapping[str, int] = KINDS) -> np.dtype:
    """One example: its key, and of each kind of member the offset and size in bytes."""
    count = kind_count(kinds)
    return np.dtype([("key", f"S{key_bytes}"), ("offset", "<i8", (count,)), ("size", "<i8", (count,))])


def table_of_contents(shard: str, size: int, storage: Storage, kinds: Mapping[str, int] = KINDS) -> np.ndarray:
    """The examples of a shard in order of first appearance: [N] of `row_type`.

    Members belong together when their names agree up to the last dot, wherever in the shard they stand; the first of each
    kind counts. A member KEY.WORD.txt or KEY.WORD.json without an image of its own completes the example KEY where that lacks
    it, and an image KEY.WORD.png without anything beside it is a part of a complete example KEY, such as a mask, and passed over.

    Args:
        size: of the shard in bytes.
        kinds: the kind of member that each suffix stands for; members with other suffixes are passed over.

    Raises:
        DataError: for a shard that is not an uncompressed tar, and one with a damaged header.
        StorageError: for one that cannot be read.
    """
    groups: _Groups = {}
    repeated = 0
    for stem, kind, member in _recognised(shard, size, storage, kinds):
        spans = groups.setdefault(stem, [[0, ABSENT] for _ in range(kind_count(kinds))])
        if spans[kind][1] == ABSENT:
            spans[kind] = [member.offset, member.size] if member.offset + member.size <= size else [0, CUT]
        else:
            repeated += 1
    if repeated:
        logger.warning("%s: %d members repeat an earlier name; the first of each is used", without_secrets(shard), repeated)
    _join_parts(groups)
    return _as_rows(groups, kinds)


def _recognised(shard: str, size: int, storage: Storage, kinds: Mapping[str, int]) -> Iterator[tuple[str, int, Member]]:
    """The members of known kinds, each with its name up to the last dot."""
    try:
        for member in members(_ReadAhead(shard, storage), size):
            stem, suffix = os.path.splitext(member.name)
            kind = kinds.get(suffix.lower())
            if kind is not None and not os.path.basename(stem).startswith("._"):  # resource forks that macOS puts into tars
                yield stem, kind, member
    except TarDamage as damage:
        what = _not_a_tar(storage.read(shard, 0, 8)) if damage.position == 0 else f"is damaged at byte {damage.position}"
        raise DataError(f"{without_secrets(shard)} {what}; download it again or leave it out of path") from None


class _ReadAhead:
    """Reads headers that lie near one another at once."""

    def __init__(self, shard: str, storage: Storage) -> None:
        self.shard = shard
        self.storage = storage
        self.step = storage.reach(shard)
        self.start = 0
        self.content = b""

    def __call__(self, offset: int, size: int) -> bytes:
        first = offset - self.start
        if first < 0 or first + size > len(self.content):
            self.content = self.storage.read(self.shard, offset, max(size, self.step))
            self.start, first = offset, 0
        return self.content[first : first + size]


def _not_a_tar(start: bytes) -> str:
    packer = next((name for magic, name in _COMPRESSED.items() if start.startswith(magic)), None)
    if packer is None:
        return "is not an uncompressed tar"
    return f"is compressed with {packer}, and is not an uncompressed tar, which can be read in place: unpack it"


def _join_parts(groups: _Groups) -> None:
    dotted = [name for name in groups if "." in os.path.basename(name)]
    for name in dotted:
        if _lacks(groups[name], IMAGE) and (whole := _whole(name, groups)) is not None:
            groups[whole] = [mine if mine[1] != ABSENT else part for mine, part in zip(groups[whole], groups.pop(name), strict=True)]
    for name in dotted:
        if name in groups and _is_alone(groups[name]):
            whole = _whole(name, groups)
            if whole is not None and not _is_alone(groups[whole]):
                del groups[name]


def _whole(name: str, groups: _Groups) -> str | None:
    """The example with an image that a dotted name may be a part of: the longest name that it extends by ".WORD"."""
    while "." in os.path.basename(name):
        name = name.rpartition(".")[0]
        if name in groups and not _lacks(groups[name], IMAGE):
            return name
    return None


def _lacks(spans: list[list[int]], kind: int) -> bool:
    return spans[kind][1] == ABSENT


def _is_alone(spans: list[list[int]]) -> bool:
    """Whether an image has nothing beside it."""
    return all(_lacks(spans, kind) for kind in range(IMAGE + 1, len(spans)))


def _as_rows(groups: _Groups, kinds: Mapping[str, int]) -> np.ndarray:
    keys = [_bounded(name.encode("utf-8", "surrogateescape")) for name in groups]
    rows = np.zeros(len(keys), dtype=row_type(max(map(len, keys), default=1), kinds))
    if keys:
        spans = np.array(list(groups.values()), dtype=np.int64)  # [N, K, 2]
        rows["key"], rows["offset"], rows["size"] = keys, spans[:, :, 0], spans[:, :, 1]
    return rows


def _bounded(key: bytes) -> bytes:
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key).hexdigest()[:16].encode()
    return key[: LONGEST_KEY - 17] + b"~" + digest
