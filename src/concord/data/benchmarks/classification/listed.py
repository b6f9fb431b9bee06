"""Pictures whose classes stand in a list of files."""

from __future__ import annotations

from typing import Any

import numpy as np

from concord.data.benchmarks.classification.labelled import Labelled, names_of, readable
from concord.data.benchmarks.classification.pictures import ImageFiles
from concord.data.readers.columns import folder_of
from concord.data.readers.documents import load_document
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError, nearest


class FileList(Labelled):
    """A text file with the path and the class number of a picture per line, as SLIP, ELEVATER and SUN397's splits list them.

    Args:
        path: the text file; "PATH NUMBER" per line, where the path may hold spaces.
        class_names: by label: a list, or a set of `concord.vocabularies`.
        first: the smallest class number, 0 or 1.
        image_root: the folder or URL that image paths start from; the file's own folder when not given.
        name: for logs and metrics; the file's name when not given.
        storage: how files are read.

    Raises:
        DataError: for a line that is written otherwise, a number without a name, and when none of the images is there.
        ValueError: for another first number.
    """

    def __init__(
        self,
        path: str,
        class_names: list[str] | str,
        first: int = 0,
        image_root: str | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        if first not in (0, 1):
            raise ValueError(f"first must be 0 or 1, got {first}")
        storage = storage if storage is not None else Storage()
        place = without_secrets(path)
        lines = [line for line in read_lines(path, storage) if line.strip()]
        listed = [_numbered(place, number, line) for number, line in enumerate(lines, 1)]
        pictures = ImageFiles(image_root if image_root is not None else folder_of(path), (file for file, _ in listed), storage)
        labels = np.array([number - first for _, number in listed], dtype=np.int64)
        super().__init__(name if name is not None else place.rpartition("/")[2].partition(".")[0], pictures, labels, names_of(class_names))
        pictures.require(place)


class SplitFile(Labelled):
    """A split_zhou_DATASET.json, with which the papers on prompt learning after CoOp (Zhou et al. 2022) share their splits:
    {"train": [["a/b.jpg", 0, "class name"], ...], "val": ..., "test": ...}.

    Args:
        path: the JSON file.
        split: "train", "val" or "test".
        image_root: the folder or URL that image paths start from; the file's own folder when not given.
        class_names: by label: a list, or a set of `concord.vocabularies`; None takes the file's own.
        name: for logs and metrics; the DATASET of the file's name when not given.
        storage: how files are read.

    Raises:
        DataError: for a file of another shape, a missing split, and when none of the images is there.
        ConfigError: where a class of the split has no name.
    """

    def __init__(
        self,
        path: str,
        split: str = "test",
        image_root: str | None = None,
        class_names: list[str] | str | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        place = without_secrets(path)
        document = load_document(storage, path)
        rows = _rows(place, document, split)
        names = names_of(class_names) if class_names is not None else _file_names(place, document)
        pictures = ImageFiles(image_root if image_root is not None else folder_of(path), (row[0] for row in rows), storage)
        labels = np.array([row[1] for row in rows], dtype=np.int64)
        stem = place.rpartition("/")[2].removesuffix(".json").removeprefix("split_zhou_")
        super().__init__(name if name is not None else stem, pictures, labels, names)
        pictures.require(place)


def read_lines(path: str, storage: Storage) -> list[str]:
    """The lines of a text file.

    Raises:
        DataError: when it is missing or not UTF-8.
    """
    try:
        return storage.read(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{without_secrets(path)} is not UTF-8") from None


def _numbered(place: str, number: int, line: str) -> tuple[str, int]:
    file, _, label = line.strip().rpartition(" ") if "\t" not in line else line.strip().rpartition("\t")
    if not file or not label.isascii() or not label.isdigit() or len(label) > 9:
        raise DataError(f"{place}, line {number}: expected PATH NUMBER, got {line[:80]!r}")
    return file.strip(), int(label)


def _rows(place: str, document: dict[str, Any], split: str) -> list[tuple[str, int, str]]:
    if split not in document:
        raise DataError(f"{place} has no split {split!r}; {nearest(split, document)}")
    rows = document[split]
    if not isinstance(rows, list):
        raise DataError(f"{place}: expected a list in {split}")
    for number, row in enumerate(rows):
        if not (isinstance(row, list) and [type(cell) for cell in row] == [str, int, str]):
            raise DataError(f"{place}, {split}, entry {number}: expected [path, class number, class name]")
    return [tuple(row) for row in rows]


def _file_names(place: str, document: dict[str, Any]) -> list[str]:
    """Class names by label: those of all splits, as a small one may lack some."""
    found = {label: name for split in document for _, label, name in _rows(place, document, split)}
    gap = next((label for label in range(len(found)) if label not in found), None)
    if gap is not None:
        raise ConfigError(f"{place}: class {gap} has no name in it; set class_names")
    return [readable(found[label]) for label in range(len(found))]
