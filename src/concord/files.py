"""Files that are either the old one or the new one, never half of either."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Write a file so that a reader, or a run killed at any moment, finds the whole old content or the whole new one.

    Args:
        path: the file; its folder is made.
        write: fills an open binary file. What it raises leaves `path` untouched and nothing else behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The temporary file lies in the same folder because a rename is atomic only inside one file system.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp gives the owner alone access
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON atomically."""
    text = json.dumps(content, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def link_atomically(source: Path, target: Path) -> None:
    """Give a file a second name, replacing what had it; a copy where the file system knows no hard links."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.link")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
        temporary.replace(target)
    except OSError:
        write_atomically(target, lambda file: file.write(source.read_bytes()))
    finally:
        temporary.unlink(missing_ok=True)  # a rename between two names of one file does nothing and leaves both


def disk_error(error: BaseException | None) -> OSError | None:
    """The error of the file system behind one of PyTorch, which says only that it wrote less than it wanted to; None without one."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left of files that it was writing."""
    for pattern in (".*.part", ".*.link"):
        for leftover in folder.glob(pattern):
            leftover.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
