"""Patterns of file names: folders, globs, brace ranges and lists, as shards are usually named; local paths and URLs."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from concord.errors import DataError

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_USER = re.compile(r"(?<=://)[^/@]*@")


def is_url(path: str) -> bool:
    """Whether a path is a URL and not a path of this machine."""
    return _URL.match(path) is not None


def protocol_of(url: str) -> str:
    """ "s3" of "s3://bucket/key"."""
    found = _URL.match(url)
    assert found is not None, f"{url} is no URL"
    return found[1].lower()


def without_query(path: str) -> str:
    """A web address up to its query string or fragment; elsewhere ? and # are letters like others."""
    return re.split(r"[?#]", path, maxsplit=1)[0] if path.startswith(("http://", "https://")) else path


def without_secrets(path: str) -> str:
    """A URL as it may be shown: without user, password, query string and fragment, where tokens stand."""
    return _USER.sub("", without_query(path)) if is_url(path) else path


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


def expand(path: str | Sequence[str]) -> list[str]:
    """Every name that a pattern, or a list of patterns, spells out; folders and globs are left as they are.

    Raises:
        DataError: when there is none.
    """
    patterns = [path] if isinstance(path, str) else list(path)
    names = [name for pattern in patterns for name in expand_braces(pattern)]
    if not names:
        raise DataError("path is empty; give a file, a folder, a pattern, or a list of these")
    return names


def local_files(name: str, suffix: str) -> list[str]:
    """The files on this machine that one name stands for: itself, those in a folder that end in `suffix`, or those of a glob.

    Raises:
        DataError: naming the path that leads to no file.
    """
    place = Path(name).expanduser()
    if place.is_file():
        return [str(place)]
    if place.is_dir():
        files = sorted(str(file) for file in place.iterdir() if file.suffix.lower() == suffix and file.is_file())
        if not files:
            raise DataError(f"{place}: no {suffix} file in this folder")
        return files
    if not (files := sorted(match for match in glob.glob(str(place)) if Path(match).is_file())):
        raise DataError(f"{place}: no such file or folder" + ("" if place.is_absolute() else f" (looked from {Path.cwd()})"))
    return files
