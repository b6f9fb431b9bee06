"""What takes long to make of a data set's files and is made once: it lies in the cache folder of the storage."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from concord.data.source import digest
from concord.data.storage.storage import Storage
from concord.errors import DataError

LARGEST = 64 << 30
"""Bytes that anything may unpack to; the largest array of MedMNIST+, of 224 pixels in colour, has 14 GB."""

PIECE = 1 << 20

Write = Callable[[BinaryIO], None]


def kept(storage: Storage, folder: str, name: str, write: Write) -> Path | None:
    """A file that is made at its first use.

    Args:
        storage: whose cache folder keeps it.
        folder, name: of the file, the same only for the same content.
        write: writes it; what this raises leaves no file behind.

    Returns:
        The file, or None for a storage that has no cache.

    Raises:
        DataError: when it cannot be written.
    """
    if storage.cache is None:
        return None
    file = storage.cache / folder / name
    if not file.exists():
        try:
            _make(file, write)
        except OSError as error:
            raise DataError(f"{file} cannot be written: {error.strerror or error}; is there room for it?") from None
    return file


def unpacked(storage: Storage, path: str, part: str, write: Write) -> Path | None:
    """A copy of a packed file that can be read at any place, made again when the packed one changes.

    Args:
        storage, write: see `kept`.
        path: the packed file or its URL.
        part: which of its parts; "" for all of it.

    Raises:
        StorageError: when the packed file is not there.
        DataError: when the copy cannot be written.
    """
    return kept(storage, "unpacked", digest(path, part, *storage.state(path)), write)


def copy(source: BinaryIO, target: BinaryIO, what: str, largest: int = LARGEST) -> None:
    """All that a stream holds.

    Raises:
        DataError: naming `what`, for more than so many bytes.
    """
    written = 0
    while piece := source.read(PIECE):
        written += len(piece)
        if written > largest:
            raise DataError(f"{what} unpacks to more than {largest} bytes; is it what it should be?")
        target.write(piece)


def _make(file: Path, write: Write) -> None:
    """Under another name until it is complete; of several processes that make it at once, one wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(dir=file.parent, prefix=".making.")
    try:
        with os.fdopen(descriptor, "wb") as target:
            write(target)
        os.replace(fresh, file)
    except BaseException:
        os.unlink(fresh)
        raise
