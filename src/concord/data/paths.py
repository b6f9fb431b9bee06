"""Patterns of file names: folders, globs, brace ranges and lists, as shards are usually named."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from concord.errors import DataError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand_braces(pattern: str) -> Iterator[str]:
    """ "a-{00..02}.tar" as a-00.tar, a-01.tar, a-02.tar; "{a,b}.tar" as a.tar, b.tar. Several pairs of braces multiply."""
    braces = _BRACES.search(pattern)
    if braces is None:
        yield pattern
        return
    for option in _options(braces[1]):
        yield from expand_braces(pattern[: braces.start()] + option + pattern[braces.end() :])


def _options(text: str) -> list[str]:
    numbers = _RANGE.fullmatch(text)
    if numbers is None:
        return text.split(",")
    first, last = numbers.groups()
    step = 1 if int(first) <= int(last) else -1
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + step, step)]


def find_files(path: str | Sequence[str], suffix: str) -> list[Path]:
    """The files that a path stands for, sorted within each pattern.

    Args:
        path: a file, a folder (its files that end in `suffix`), a glob, a brace pattern, or a list of these.
        suffix: such as ".tar".

    Raises:
        DataError: naming the path that leads to no file.
    """
    patterns = [path] if isinstance(path, str) else list(path)
    found = [file for pattern in patterns for name in expand_braces(pattern) for file in _files(name, suffix)]
    if not found:
        raise DataError("path is empty; give a file, a folder, a pattern, or a list of these")
    return found


def _files(name: str, suffix: str) -> list[Path]:
    place = Path(name).expanduser()
    if place.is_file():
        return [place]
    if place.is_dir():
        files = sorted(file for file in place.iterdir() if file.suffix.lower() == suffix and file.is_file())
        if not files:
            raise DataError(f"{place}: no {suffix} file in this folder")
        return files
    if not (files := sorted(Path(match) for match in glob.glob(str(place)) if Path(match).is_file())):
        raise DataError(f"{place}: no such file or folder" + ("" if place.is_absolute() else f" (looked from {Path.cwd()})"))
    return files
