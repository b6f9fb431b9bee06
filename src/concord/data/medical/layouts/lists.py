"""Lists beside the pictures of a medical data set: which ids are in which part, and where the file of an id lies."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import get_args

from concord.data.benchmarks.classification.listed import read_lines
from concord.data.benchmarks.rows import Row
from concord.data.medical.exams import Split
from concord.data.readers.annotated import below
from concord.data.readers.cells import find_column
from concord.data.readers.folder import files_below
from concord.data.readers.table_rows import SeparatedRows, TableFile
from concord.data.storage.paths import is_url, without_secrets
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

PARTS = tuple(part for part in get_args(Split) if part)


def check_parts(lists: Mapping[str, str]) -> None:
    """Refuse lists of parts that there are not.

    Raises:
        ConfigError: naming the part.
    """
    if wrong := [part for part in lists if part not in PARTS]:
        raise ConfigError(f"lists: {wrong[0]!r} is no part; valid: {', '.join(PARTS)}")


def read_ids(storage: Storage, file: str) -> list[str]:
    """A text file with an id per line; empty lines are left out.

    Raises:
        DataError: for a file that is missing, is not UTF-8 or holds no id.
    """
    ids = [line.strip() for line in read_lines(file, storage) if line.strip()]
    if not ids:
        raise DataError(f"{without_secrets(file)}: no id in it; write one a line")
    return ids


def listed_parts(storage: Storage, folder: str, lists: Mapping[str, str]) -> dict[str, Split]:
    """The part of each id, from one text file per part.

    Args:
        storage: reads them.
        folder: that relative names of files start from.
        lists: by part ("train", "validation", "test") its file, with an id per line.

    Raises:
        DataError: for a list that cannot be read, and ids in two of them, with their number.
    """
    parts: dict[str, Split] = {}
    twice = 0
    for part, file in lists.items():
        for name in dict.fromkeys(read_ids(storage, below(folder, file))):
            twice += name in parts
            parts[name] = part  # type: ignore[assignment]
    if twice:
        raise DataError(f"{', '.join(lists.values())}: {twice} ids are in two lists; each belongs into one part")
    return parts


def require_listed(name: str, ids: Collection[str], parts: Mapping[str, Split]) -> None:
    """Refuse lists of which no id is in the data set, and tell how many are not.

    Raises:
        DataError: when none is.
    """
    strange = len(parts) - sum(listed in ids for listed in parts)
    if parts and strange == len(parts):
        raise DataError(f"{name}: none of the {strange} ids in its lists is in the data set; are they lists of this release?")
    if strange:
        logger.warning("%s: %d of %d ids in its lists are not in the data set", name, strange, len(parts))


def spelled_rows(storage: Storage, file: str, columns: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """Some columns of a CSV file whose releases spell them differently.

    Args:
        storage: reads it.
        file: the table, also compressed with gzip.
        columns: by the name that its cells get, the spellings of a column; the first that is there is taken.

    Raises:
        DataError: for a file that cannot be read, and a column that it has in no spelling.
    """
    rows = SeparatedRows(TableFile(file, storage), ",")
    spelled = {name: next((one for one in spellings if one in rows.columns), spellings[0]) for name, spellings in columns.items()}
    for column in spelled.values():
        find_column(column, rows.columns, "expected", rows.place)
    for number in range(len(rows)):
        cells = rows.read(number, list(spelled.values()))
        yield Row(f"{rows.place}, row {number + 1}", {name: cells[column] for name, column in spelled.items()})


def files_by_name(root: str, suffixes: Sequence[str], storage: Storage) -> dict[str, str]:
    """Paths below a folder, at any depth, by the name of the file without its suffix.

    Args:
        root: the folder, or its URL in a store that can list.
        suffixes: in lower case, such as ".dcm".
        storage: lists a URL.

    Raises:
        DataError: for a missing folder, one without such files, and two files of one name, with their number.
    """
    place = root.rstrip("/")
    if is_url(place):
        found = [file.removeprefix(f"{place}/") for suffix in suffixes for file in storage.find(f"{place}/**/*{suffix}", suffix)]
    elif (folder := Path(place).expanduser()).is_dir():
        found = list(files_below(folder, follow_links=True))
    else:
        raise DataError(f"{root}: no such folder")
    files = [file for file in found if PurePosixPath(file).suffix.lower() in suffixes]
    named = {PurePosixPath(file).stem: file for file in sorted(files)}
    if not files:
        raise DataError(f"{without_secrets(root)}: no {' or '.join(suffixes)} file in it")
    if len(named) < len(files):
        raise DataError(f"{without_secrets(root)}: {len(files) - len(named)} files have the name of another; is something unpacked twice?")
    return named
