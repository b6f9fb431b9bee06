"""Whole remote files on a local disk: a bounded number of bytes, shared by the processes of a machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PART = ".part"
LOCK = "lock"


class FileCache:
    """Keeps files in a folder, never more than `limit` bytes; those that were not used for longest make room.

    Any number of processes may share the folder: one of them fetches a file while the others wait for it. A file has its
    name only once it is complete; what a killed process left half written is removed by whoever comes next.

    Args:
        folder: on a local disk; it is made when the first file comes.
        limit: in bytes.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit

    def open(self, name: str, size: int, fill: Callable[[BinaryIO], None]) -> BinaryIO | None:
        """A complete file, open for reading; None when there is no room for it.

        Args:
            name: without folder, the same only for the same content.
            size: in bytes.
            fill: writes the content; what it raises leaves no file behind.

        Raises:
            OSError: when the folder cannot be used.
        """
        while (file := self._complete(name, size)) is None:
            if size > self.limit:
                return None
            with self._part(name) as part:
                if not _try_lock(part):
                    fcntl.flock(part, fcntl.LOCK_SH)  # until the process that fetches this file is done with it
                elif not _is_at(part, self.folder / (name + PART)):
                    continue  # another process was done with it before it was locked here
                elif not self._fetch(part, name, size, fill):
                    return None
        return file

    def _complete(self, name: str, size: int) -> BinaryIO | None:
        try:
            file = open(self.folder / name, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return None
        if os.fstat(file.fileno()).st_size != size:
            file.close()
            return None
        os.utime(file.fileno())
        return file

    def _part(self, name: str) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(self.folder / (name + PART), os.O_RDWR | os.O_CREAT, 0o666), "r+b")

    def _fetch(self, part: BinaryIO, name: str, size: int, fill: Callable[[BinaryIO], None]) -> bool:
        """Fill a part that is locked, and give it its name; False when there is no room."""
        path = self.folder / (name + PART)
        try:
            if not self._reserve(part, name, size):
                return False
            fill(part)
            part.flush()
            os.fsync(part.fileno())
            path.replace(self.folder / name)
            return True
        finally:
            path.unlink(missing_ok=True)

    def _reserve(self, part: BinaryIO, name: str, size: int) -> bool:
        """Make room and take it by giving the part its full size at once, so that it counts while it is filled."""
        with self._alone():
            others = [path for path in self.folder.glob(f"*{PART}") if path.name != name + PART and not _remove_orphan(path)]
            if sum(map(_size, others)) + size > self.limit:
                return False
            kept = sorted((path for path in self.folder.iterdir() if path.suffix != PART and path.name != LOCK), key=_last_use)
            excess = sum(map(_size, [*others, *kept])) + size - self.limit
            for path in kept:
                if excess <= 0:
                    break
                excess -= _size(path)
                path.unlink(missing_ok=True)  # who reads it at this moment has it open and reads on
            os.ftruncate(part.fileno(), size)
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with open(self.folder / LOCK, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file still lies at a path; it may have been renamed or removed since it was opened."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _remove_orphan(path: Path) -> bool:
    """Remove a part whose process died: nobody holds its lock any more."""
    try:
        with open(path, "r+b") as part:
            if not _try_lock(part):
                return False
            if _is_at(part, path):
                path.unlink()
    except FileNotFoundError:
        pass
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _last_use(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
