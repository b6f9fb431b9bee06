"""What lies beside the pictures of a data set of the chest: its lists, its reports, and the words for projections in them.

Of these data sets most are guarded: what goes wrong is told with the list, and without what stands in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from concord.data.readers.annotated import below
from concord.data.readers.cells import resolve
from concord.data.source import BadSample
from concord.data.storage.paths import is_url, without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError
from concord.types import ViewPosition

VIEWS: Mapping[str, ViewPosition] = {
    "": "",
    "NAN": "",
    "PA": "PA",
    "AP": "AP",
    "AP_HORIZONTAL": "AP",
    "FRONTAL": "FRONTAL",
    "L": "LATERAL",
    "LL": "LATERAL",
    "RL": "LATERAL",
    "LATERAL": "LATERAL",
}

T = TypeVar("T")


def view_of(text: str) -> ViewPosition:
    """The projection that a list names, in capitals or not."""
    return VIEWS.get(text.strip().upper(), "OTHER")


def meaning_of(text: str, meanings: Mapping[str, T], column: str, place: str) -> T:
    """What a word of a closed list stands for.

    Raises:
        DataError: for another word, which is not told.
    """
    if text.strip() not in meanings:
        raise DataError(f"{place}, column {column}: every cell must be one of {', '.join(meanings)}, and one is not")
    return meanings[text.strip()]


def is_there(storage: Storage, file: str) -> bool:
    """Whether a file can be read, on this machine or behind a URL."""
    try:
        return storage.state(file).size >= 0
    except StorageError:
        return False


def list_at(storage: Storage, folder: str, names: Sequence[str]) -> str:
    """The first of several names that a list goes by, such as with and without ".gz".

    Raises:
        DataError: when there is none of them.
    """
    places = [below(folder, name) for name in names]
    found = next((place for place in places if is_there(storage, place)), None)
    if found is None:
        raise DataError(f"{without_secrets(folder)}: no {' or '.join(names)} in it; is the path right?")
    return found


def zipped(name: str) -> tuple[str, str]:
    """A list's name as it is published, and as it is after unpacking."""
    return f"{name}.gz", name


def require_folder(argument: str, path: str) -> None:
    """Refuse a folder of this machine that is not there.

    Raises:
        DataError: naming the argument.
    """
    if not is_url(path) and not Path(path).expanduser().is_dir():
        raise DataError(f"{argument}: {path}: no such folder")


def read_report(folder: str, path: str, storage: Storage) -> str:
    """The text of a report.

    Args:
        folder: or its URL; nothing outside of it is read.
        path: from there.
        storage: reads it.

    Raises:
        BadSample, StorageError: when it cannot be read.
    """
    place = resolve(folder if is_url(folder) else os.path.expanduser(folder), path)
    if place is None or path.startswith("/"):
        raise BadSample("report path leaves its folder", "")
    try:
        return storage.read(place).decode("utf-8")
    except UnicodeDecodeError:
        raise BadSample("report is not UTF-8", "") from None


def one_part(places: Iterable[tuple[str, str]], file: str) -> dict[str, str]:
    """The part of each identifier.

    Args:
        places: identifiers and their parts.
        file: that says so, for messages.

    Raises:
        DataError: for identifiers in two parts, with their number.
    """
    parts: dict[str, set[str]] = {}
    for identifier, part in places:
        parts.setdefault(identifier, set()).add(part)
    if twice := sum(len(found) > 1 for found in parts.values()):
        raise DataError(f"{without_secrets(file)}: {twice} identifiers are in two parts; each belongs into one")
    return {identifier: next(iter(found)) for identifier, found in parts.items()}
