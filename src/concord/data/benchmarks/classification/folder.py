"""Pictures in one folder per class."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from concord.data.benchmarks.classification.labelled import Labelled, names_of, readable
from concord.data.benchmarks.classification.pictures import ImageFiles
from concord.data.readers.folder import files_below
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError
from concord.vocabularies import wordnet_ids, wordnet_sets

logger = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff")

SORTED, NUMBERED = "sorted", "numbered"


class Found(NamedTuple):
    """A picture below a folder.

    Attributes:
        file: its path from there.
        above: the folders above the one of its class.
        folder: the folder of its class.
    """

    file: str
    above: tuple[str, ...]
    folder: str


class LabelledFolder(Labelled):
    """Pictures in one folder per class, as torchvision's `ImageFolder` reads them: CLASS/a.jpg, CLASS/b/c.png.

    Args:
        path: the folder of the class folders, on this machine.
        folders: which label each has. "sorted": by the order of their names; "numbered": their names are the labels (ImageNet-V2,
            where sorting would put 10 before 2); a set of WordNet ids in `concord.vocabularies` (imagenet1k, imagenet_a,
            imagenet_o, imagenet_r); or the names by label. Folders that are not listed are left out, so that imagenet_a on
            ImageNet's own folder is its part with these 200 classes.
        class_names: by label: a list, or a set of `concord.vocabularies`; None takes the folders' names, or the published names
            of WordNet ids.
        levels: names of the levels of folders above the class folders (ImageNet-C: corruption, severity); the metadata tells by
            these names where an example lies.
        exclude: patterns of file names to leave out, such as "*_mask*".
        follow_links: read what symbolic links lead to outside the folder as well.
        name: for logs and metrics; the folder's name when not given.
        storage: how files are read.

    Raises:
        DataError: for a missing folder, one without pictures, and a class folder without any whose label its name decides.
        ConfigError: for numbered folders without class names, or with other names, and unknown sets.
    """

    def __init__(
        self,
        path: str,
        folders: list[str] | str = SORTED,
        class_names: list[str] | str | None = None,
        levels: list[str] | None = None,
        exclude: list[str] | None = None,
        follow_links: bool = False,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        root = folder_at(path)
        self._levels = list(levels or [])
        found = find_pictures(root, len(self._levels), exclude or [], follow_links)
        if folders == SORTED and not self._levels:
            _refuse_empty(root, {picture.folder for picture in found})
        order = _order(folders, found, class_names)
        labels = {folder: label for label, folder in enumerate(order)}
        if folders not in (SORTED, NUMBERED):
            _tell_of_others(root, order, {picture.folder for picture in found})
        found = [picture for picture in found if picture.folder in labels]
        if not found:
            raise DataError(f"{root}: none of its folders is one of the {len(order)} classes, such as {order[0]}; set folders")
        self._above = [picture.above for picture in found]
        pictures = ImageFiles(str(root), (picture.file for picture in found), storage if storage is not None else Storage())
        numbers = np.array([labels[picture.folder] for picture in found], dtype=np.int64)
        super().__init__(name if name is not None else root.resolve().name, pictures, numbers, _names(folders, order, class_names))

    def _known(self, index: int) -> Mapping[str, Any]:
        return dict(zip(self._levels, self._above[index], strict=True))


class LabelledNames(Labelled):
    """Pictures in one folder whose class stands in their names, such as 17_DR.png.

    Args:
        path: the folder, on this machine; its subfolders are read too.
        pattern: a regular expression with a group "label", looked for in the path from the folder: "_(?P<label>[ADGN])\\.png$".
            Pictures that it does not fit are left out.
        values: what the group matches, by label; pictures with other values are left out. None: all that there are, sorted.
        class_names: by label: a list, or a set of `concord.vocabularies`; None takes the values.
        exclude, follow_links, name, storage: see `LabelledFolder`.

    Raises:
        DataError: for a missing folder, and one without such pictures.
        ValueError: for a pattern that is none, or lacks the group.
    """

    def __init__(
        self,
        path: str,
        pattern: str,
        values: list[str] | None = None,
        class_names: list[str] | str | None = None,
        exclude: list[str] | None = None,
        follow_links: bool = False,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        expression = _compiled(pattern)
        root = folder_at(path)
        matches = [(file, expression.search(file)) for file in picture_files(root, exclude or [], follow_links)]
        found = [(file, match["label"]) for file, match in matches if match is not None]
        order = values if values is not None else sorted({value for _, value in found})
        labels = {value: label for label, value in enumerate(order)}
        found = [(file, value) for file, value in found if value in labels]
        if not found:
            raise DataError(f"{root}: pattern {pattern} finds no class in the names of its {len(matches)} images")
        pictures = ImageFiles(str(root), (file for file, _ in found), storage if storage is not None else Storage())
        numbers = np.array([labels[value] for _, value in found], dtype=np.int64)
        names = names_of(class_names) if class_names is not None else [readable(value) for value in order]
        super().__init__(name if name is not None else root.resolve().name, pictures, numbers, names)


def folder_at(path: str) -> Path:
    """A folder of this machine; raises `DataError` where there is none."""
    root = Path(path).expanduser()
    if not root.is_dir():
        raise DataError(f"{path}: no such folder on this machine")
    return root


def picture_files(root: Path, exclude: Sequence[str] = (), follow_links: bool = False) -> list[str]:
    """Pictures below a folder, as sorted paths from it; those whose file name fits a pattern of `exclude` are left out."""
    files = (file for file in files_below(root, follow_links) if file.lower().endswith(SUFFIXES))
    return sorted(file for file in files if not any(fnmatch(file.rpartition("/")[2], pattern) for pattern in exclude))


def find_pictures(root: Path, levels: int = 0, exclude: Sequence[str] = (), follow_links: bool = False) -> list[Found]:
    """Pictures in class folders that lie `levels` below a folder; those outside of any are passed over.

    Raises:
        DataError: when there is none.
    """
    split = ((file, file.split("/")) for file in picture_files(root, exclude, follow_links))
    found = [Found(file, tuple(parts[:levels]), parts[levels]) for file, parts in split if len(parts) > levels + 1]
    if not found:
        raise DataError(f"{root}: no image in it; looked for {', '.join(SUFFIXES)} in {'folders of ' * levels}class folders")
    return found


def _order(folders: list[str] | str, found: Iterable[Found], class_names: list[str] | str | None) -> list[str]:
    """The folders by label."""
    present = {picture.folder for picture in found}
    if folders == SORTED:
        return sorted(present)
    if folders == NUMBERED:
        return _numbered(present, class_names)
    if not isinstance(folders, str):
        return folders
    if folders not in wordnet_sets():
        raise ConfigError(f"folders: {folders} is neither a list nor one of {SORTED}, {NUMBERED}, {', '.join(wordnet_sets())}")
    return list(wordnet_ids(folders))


def _numbered(present: Iterable[str], class_names: list[str] | str | None) -> list[str]:
    if class_names is None:
        raise ConfigError("class_names must be given where folders is numbered: numbers are no names")
    count = len(names_of(class_names))
    wrong = next((folder for folder in sorted(present) if not (folder.isascii() and folder.isdigit() and int(folder) < count)), None)
    if wrong is not None:
        raise ConfigError(f"folders: {wrong} is no label in [0, {count - 1}]; are the folders numbered, and class_names complete?")
    by_number = {int(folder): folder for folder in present}  # which may be written with zeros in front
    return [by_number.get(label, str(label)) for label in range(count)]


def _names(folders: list[str] | str, order: Sequence[str], class_names: list[str] | str | None) -> list[str]:
    if class_names is not None:
        return names_of(class_names)
    return names_of(folders) if isinstance(folders, str) and folders in wordnet_sets() else [readable(folder) for folder in order]


def _tell_of_others(root: Path, order: Sequence[str], present: set[str]) -> None:
    missing, others = [folder for folder in order if folder not in present], sorted(present - set(order))
    if missing:
        logger.warning("%s: %d of %d class folders are missing or empty, such as %s", root, len(missing), len(order), missing[0])
    if others:
        logger.info("%s: %d folders are none of the classes and left out, such as %s", root, len(others), others[0])


def _refuse_empty(root: Path, present: set[str]) -> None:
    """A folder that lost its pictures would shift the labels of all behind it."""
    folders = (entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    empty = sorted(folder for folder in folders if folder not in present)
    if empty:
        raise DataError(f"{root}: no image in class folder {empty[0]}; download it again, remove it, or list folders")


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern must be a regular expression, got {pattern!r} ({error})") from None
    if "label" not in expression.groupindex:
        raise ValueError(f"pattern must have a group (?P<label>...), got {pattern!r}")
    return expression
