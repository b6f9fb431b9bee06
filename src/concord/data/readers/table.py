"""Image-text pairs listed in one CSV, TSV, JSON or JSONL file."""

from __future__ import annotations

from pathlib import Path

from concord.data.readers.captions import FieldNames
from concord.data.readers.columns import ColumnSource, folder_of
from concord.data.readers.table_rows import SEPARATORS, JsonRows, SeparatedRows, TableFile
from concord.data.storage.paths import is_url, without_query, without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

NAMED_SEPARATORS = {"tab": "\t"}


class Table(ColumnSource):
    """One pair per row: a column with the image's path and one or more with captions.

    Args:
        path: a file or URL: .csv or .tsv with a header line, .json that holds a list of objects, or .jsonl with one object per
            line; also compressed, such as .csv.gz. The columns of JSON files are the keys of their first rows.
        image: column of image paths; rows that share an image share the key.
        caption: column of captions, several, or columns by role. In JSON also lists of text, {text, role} objects, and places
            inside of cells, such as "names.en".
        key: column of names; the images' paths when not given.
        image_root: the folder or URL that image paths start from; the file's own folder when not given. Absolute paths stand for
            themselves; relative ones may not leave this folder. See `ImageCells`.
        separator: what stands between the cells of a CSV or TSV file, one character or "tab"; by the suffix when not given.
        name: for logs and metrics; the file's name when not given.
        storage: reads the table and the images.

    Raises:
        DataError: for a missing file or folder, one that cannot be parsed, and a column that is not there.
        ValueError: for a separator of several characters, or one for JSON.
    """

    def __init__(
        self,
        path: str,
        image: str = "image",
        caption: FieldNames = "caption",
        key: str | None = None,
        image_root: str | None = None,
        separator: str | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = TableFile(_only(path, storage), storage)
        separator = separator_of(separator, file.suffix)
        root = image_root if image_root is not None else folder_of(file.path)
        if not is_url(root) and not Path(root).expanduser().is_dir():
            raise DataError(f"image_root: {root}: no such folder")
        rows = SeparatedRows(file, separator) if separator is not None else JsonRows(file)
        super().__init__(rows, name if name is not None else file.stem, image, caption, key if key is not None else image, root, storage)


def _only(path: str, storage: Storage) -> str:
    """The one file that a path stands for."""
    files = storage.find(path, Path(without_query(path)).suffix)
    if len(files) != 1:
        raise DataError(f"{without_secrets(path)}: {len(files)} files; give one")
    return files[0]


def separator_of(given: str | None, suffix: str) -> str | None:
    """The character between cells; None for JSON."""
    separator = NAMED_SEPARATORS.get(given, given) if given is not None else SEPARATORS.get(suffix)
    if given is not None and suffix not in SEPARATORS:
        raise ValueError(f"separator is for {' and '.join(SEPARATORS)} files, the table is {suffix}")
    if separator is not None and (len(separator) != 1 or not separator.isascii() or separator in '"\r\n'):
        raise ValueError(f"separator must be one character or {', '.join(NAMED_SEPARATORS)}, got {given!r}")
    return separator
