"""Files of this machine."""

from __future__ import annotations

from pathlib import Path

from concord.data.storage.states import FileState, StorageError


def local_state(path: str) -> FileState:
    """Size and time of the last change, in nanoseconds; raises `StorageError`."""
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise StorageError(_cause(error), path) from None
    return FileState(stat.st_size, str(stat.st_mtime_ns))


def read_local(path: str, offset: int, size: int | None) -> bytes:
    """The bytes from `offset`, `size` of them or all; raises `StorageError`."""
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            return file.read() if size is None else file.read(size)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        raise StorageError(_cause(error), path) from None


def _cause(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "file not found"
    return "access denied" if isinstance(error, PermissionError) else f"cannot be read ({type(error).__name__})"
