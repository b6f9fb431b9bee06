"""Where every example of many shards lies: read once, remembered in a cache folder, looked up at random."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from concord.data.readers.contents import ABSENT, CUT, KINDS, row_type, table_of_contents
from concord.data.readers.threads import in_threads
from concord.data.source import digest
from concord.data.storage.storage import FileState, Storage, StorageError, fingerprint
from concord.files import write_atomically

logger = logging.getLogger(__name__)

FORMAT = 1  # a part of the files' names: another layout or another grouping of members needs another number
OPEN_TABLES = 128  # tables of contents that are mapped into memory at once


class Entry(NamedTuple):
    """An example: its shard's number, its key, and of each kind of member where it lies.

    Attributes:
        spans: offset and size in bytes by kind; the size is `ABSENT` or `CUT` where there is nothing to read.
    """

    shard: int
    key: str
    spans: list[tuple[int, int]]


class ShardIndex:
    """The tables of contents of shards, one after the other.

    They are kept as .npy files in the storage's cache folder, named after the shard's path, size and version, so that a
    shard that has changed is read anew, and only as many as `OPEN_TABLES` are mapped at once. Without such a folder they
    stay in memory, about 50 bytes and the key per example.

    Args:
        shards: paths or URLs.
        storage: reads them.
        kinds: the kind of member that each suffix stands for; see `table_of_contents`.

    Raises:
        DataError: for a shard that is no tar or cannot be read.
    """

    def __init__(self, shards: Sequence[str], storage: Storage, kinds: Mapping[str, int] = KINDS) -> None:
        self.shards = list(shards)
        self.storage = storage
        self.kinds = kinds
        self.folder = storage.cache / "index" if storage.cache is not None else None
        self._warned = False
        found = in_threads(self._remember, len(self.shards), "indexing shards")
        self.states = [state for state, _, _ in found]
        self.block_sizes = [size for _, size, _ in found]
        self._in_memory = [rows for _, _, rows in found]
        self._ends = np.cumsum(self.block_sizes)
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._mapped: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Without what is mapped: another process maps its own."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_mapped", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._start_afresh()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def place(self, index: int) -> tuple[int, int]:
        """The shard of an example, and its row there.

        Raises:
            IndexError: for an index outside [0, len).
        """
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} lies outside of {len(self)} examples")
        shard = int(np.searchsorted(self._ends, index, side="right"))
        return shard, index - int(self._ends[shard]) + self.block_sizes[shard]

    def entry(self, index: int) -> Entry:
        """The example at `index`. Bytes of its name that are not UTF-8 are written as \\xNN in the key."""
        shard, number = self.place(index)
        key, offsets, sizes = self.rows(shard)[number].tolist()
        end = self.states[shard].size
        spans = [(offset, _readable(offset, size, end)) for offset, size in zip(offsets.tolist(), sizes.tolist(), strict=True)]
        return Entry(shard, key.decode("utf-8", "backslashreplace"), spans)

    def rows(self, shard: int) -> np.ndarray:
        """The table of contents of one shard, [N] of `row_type`.

        Raises:
            DataError: when it is neither in the cache any more nor can be read again.
        """
        rows = self._in_memory[shard]
        if rows is not None:
            return rows
        with self._lock:
            rows = self._mapped.get(shard)
            if rows is None:
                rows = self._mapped[shard] = self._again(self.shards[shard], self.states[shard])
                if len(self._mapped) > OPEN_TABLES:
                    self._mapped.popitem(last=False)
            self._mapped.move_to_end(shard)
        return rows

    def _remember(self, number: int) -> tuple[FileState, int, np.ndarray | None]:
        """State and number of examples of a shard, and its table where that could not be stored."""
        shard = self.shards[number]
        state = self.storage.state(shard)
        rows = _load(self._file(shard, state), self.kinds)
        if rows is not None:
            return state, len(rows), None
        rows = table_of_contents(shard, state.size, self.storage, self.kinds)
        return state, len(rows), None if self._save(self._file(shard, state), rows) else rows

    def _again(self, shard: str, state: FileState) -> np.ndarray:
        """A table that was stored; read anew where somebody emptied the cache meanwhile."""
        rows = _load(self._file(shard, state), self.kinds)
        if rows is None:
            if self.storage.state(shard) != state:
                raise StorageError("shard has changed since the start", shard)
            rows = table_of_contents(shard, state.size, self.storage, self.kinds)
            self._save(self._file(shard, state), rows)
        return rows

    def _file(self, shard: str, state: FileState) -> Path | None:
        if self.folder is None:
            return None
        kinds = "" if self.kinds == KINDS else f"-{digest(sorted(self.kinds.items()))[:8]}"
        return self.folder / f"{fingerprint(shard, state)}-{FORMAT}{kinds}.npy"

    def _save(self, file: Path | None, rows: np.ndarray) -> bool:
        if file is None:
            return False
        try:
            write_atomically(file, lambda stream: np.save(stream, rows, allow_pickle=False))
        except OSError as error:
            if not self._warned:
                logger.warning("%s cannot be written (%s); tables of contents of shards stay in memory", file.parent, error.strerror)
            self._warned = True
            return False
        return True


def _readable(offset: int, size: int, end: int) -> int:
    """The size of a member; `CUT` for one outside of its shard, so that a damaged table cannot ask for more than there is."""
    return size if size == ABSENT or (offset >= 0 and 0 <= size <= end - offset) else CUT


def _load(file: Path | None, kinds: Mapping[str, int]) -> np.ndarray | None:
    """A table from the cache; None when it is not there, damaged, or something else."""
    if file is None:
        return None
    try:
        rows = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception:  # NumPy meets damaged headers with errors of many classes, those of Python's parser among them
        return None
    if not isinstance(rows, np.ndarray) or rows.ndim != 1 or rows.dtype.names is None or rows.dtype.names[0] != "key":
        return None
    return np.asarray(rows) if rows.dtype == row_type(rows.dtype["key"].itemsize, kinds) else None
