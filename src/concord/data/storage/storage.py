"""Storage: one way to find and read files, on a disk or behind any fsspec URL."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from concord.data.storage.cache import FileCache
from concord.data.storage.local import local_state, read_local
from concord.data.storage.paths import expand, is_url, local_files, without_query, without_secrets
from concord.data.storage.remote import Remote
from concord.data.storage.states import FileState, StorageError
from concord.errors import DataError

__all__ = ["FileState", "Storage", "StorageError"]

logger = logging.getLogger(__name__)

GIB = 1 << 30
PIECE = 16 << 20  # bytes asked for at once while a whole file is fetched
REMEMBERED = 100_000  # remote files whose state is remembered


class Storage:
    """Reads files wherever they lie: local paths, and URLs of every kind that fsspec knows (http, https, s3, gs, hf, memory, ...).

    A request that fails for a reason that may pass (no connection, no answer, an answer cut short, status 5xx) is repeated; a
    file that is not there or not allowed fails at once. After a request that failed every repetition, its server gets one try
    per request for `timeout` seconds. A storage may be pickled and used after a fork.

    Args:
        cache: a local folder for what is worth keeping between runs, such as the tables of contents of shards; None keeps nothing.
        keep_gib: size of a cache of whole remote files in this folder, in GiB; those unused for longest make room. 0 reads parts
            of files only. Less than the files that are read in turn costs a download per example.
        retries: how often a request is repeated.
        backoff: seconds before the first repetition; every further one waits twice as long, up to a minute.
        timeout: seconds for one request.
        options: arguments of the fsspec file system, such as `endpoint_url` for S3. Keys and passwords belong into the
            environment, as configurations are saved.

    Raises:
        ValueError: for a number outside its range, and for keep_gib without a cache folder.
    """

    def __init__(
        self,
        cache: str | None = None,
        keep_gib: float = 0.0,
        retries: int = 5,
        backoff: float = 1.0,
        timeout: float = 60.0,
        options: dict[str, Any] | None = None,
    ) -> None:
        for name, value in (("keep_gib", keep_gib), ("retries", retries), ("backoff", backoff)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0, got {value}")
        if not 0 < timeout < math.inf:
            raise ValueError(f"timeout must be above 0 seconds, got {timeout}")
        if keep_gib and cache is None:
            raise ValueError(f"keep_gib must be 0 without a cache folder, got {keep_gib}")
        self.cache = Path(cache).expanduser() if cache is not None else None
        self._files = FileCache(self.cache / "files", round(keep_gib * GIB)) if self.cache is not None and keep_gib else None
        self._remote = Remote(retries, backoff, timeout, options or {})
        self._states: dict[str, FileState] = {}
        self._warned = False

    def find(self, path: str | Sequence[str], suffix: str) -> list[str]:
        """The files that a path stands for, sorted within each pattern. Single remote files are not looked for.

        Args:
            path: a file, a folder (its files that end in `suffix`), a glob, a brace pattern, or a list of these; each a local
                path or a URL. Folders and globs of URLs need a store that can list.
            suffix: such as ".tar".

        Raises:
            DataError: naming the path that leads to no file.
        """
        return [file for name in expand(path) for file in (self._remote_files(name, suffix) if is_url(name) else local_files(name, suffix))]

    def state(self, path: str) -> FileState:
        """Size and version of a file.

        Raises:
            StorageError: when it is not there.
        """
        if not is_url(path):
            return local_state(path)
        state = self._remote.state(path)
        if len(self._states) < REMEMBERED:
            self._states[path] = state
        return state

    def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """The bytes of a file, or `size` of them from `offset`; fewer where the file ends before.

        Raises:
            StorageError: when they cannot be read.
        """
        if not is_url(path):
            return read_local(path, offset, size)
        if offset == 0 and size is None and self._files is None:
            return self._remote.read_all(path)
        state = self._states.get(path) or self.state(path)
        size = max(0, min(size if size is not None else state.size, state.size - offset))
        kept = self._kept(path, state)
        if kept is None:
            return self._remote.read(path, offset, size)
        with kept:
            kept.seek(offset)
            return kept.read(size)

    def read_many(self, path: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Several parts of one file, each an offset and a size; neighbours are read at once.

        Raises:
            StorageError: when one of them cannot be read.
        """
        parts: dict[tuple[int, int], bytes] = {}
        for first, last, inside in _merge(spans, self.reach(path)):
            content = self.read(path, first, last - first)
            parts |= {(offset, size): content[offset - first : offset - first + size] for offset, size in inside}
        return [parts[span] for span in spans]

    def reach(self, path: str) -> int:
        """How many bytes it takes about as long to read as to begin to read."""
        return 1 << 20 if is_url(path) and self._files is None else 1 << 14

    def _remote_files(self, name: str, suffix: str) -> list[str]:
        place = without_query(name)
        if "*" in place or "[" in place:
            found, failure = self._remote.glob(name), "no such file, or the server cannot list them"
        elif place.lower().endswith(suffix) or place != name:
            return [name]
        else:
            found = [file for file in self._remote.glob(f"{name.rstrip('/')}/*") if without_query(file).lower().endswith(suffix)]
            failure = f"no {suffix} file there, or the server cannot list them; name them, such as name-{{00000..00331}}{suffix}"
        if not found:
            raise DataError(f"{without_secrets(name)}: {failure}")
        return found

    def _kept(self, path: str, state: FileState) -> BinaryIO | None:
        """A local copy, fetched if need be; None where none is kept."""
        if self._files is None:
            return None

        def fill(file: BinaryIO) -> None:
            for offset in range(0, state.size, PIECE):
                file.write(self._remote.read(path, offset, min(PIECE, state.size - offset)))

        try:
            file = self._files.open(fingerprint(path, state), state.size, fill)
        except OSError as error:
            self._files = None
            logger.warning("no remote files are kept: %s cannot be used (%s)", self.cache, error.strerror)
            return None
        if file is None and not self._warned:
            self._warned = True
            logger.warning("%s does not fit into storage.keep_gib; parts of such files are read instead", without_secrets(path))
        return file


def fingerprint(path: str, state: FileState) -> str:
    """A name for a version of a file: 40 hexadecimal digits."""
    place = path if is_url(path) else str(Path(path).resolve())
    return hashlib.sha256(f"{place}\0{state.size}\0{state.version}".encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _merge(spans: Sequence[tuple[int, int]], gap: int) -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Spans that lie no further apart than `gap` bytes, together: first byte, end, and the spans between."""
    merged: list[tuple[int, int, list[tuple[int, int]]]] = []
    for offset, size in sorted(set(spans)):
        if merged and offset - merged[-1][1] <= gap:
            first, last, inside = merged[-1]
            merged[-1] = (first, max(last, offset + size), [*inside, (offset, size)])
        else:
            merged.append((offset, offset + size, [(offset, size)]))
    return merged
