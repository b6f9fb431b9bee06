"""Image-text pairs in Parquet files."""

from __future__ import annotations

from pathlib import Path

from concord.data.readers.captions import FieldNames
from concord.data.readers.columns import ColumnSource, default_key, folder_of
from concord.data.readers.row_groups import ParquetRows
from concord.data.storage.storage import Storage

MEGABYTE = 1 << 20


class Parquet(ColumnSource):
    """One pair per row of Parquet files: as img2dataset, Hugging Face and `task=prepare` write them.

    The order `windows` reads each row group once, as long as the row groups of a window fit into `cache`: by default 16 of up to
    20 MB, where task=prepare writes 16 MB. A fully shuffled order reads a whole row group for nearly every example unless all of
    the data fit; it is right for small data.

    Args:
        path: a .parquet file or URL, a folder of them, a glob, a brace pattern, or a list of these.
        image: column of images: encoded bytes, {bytes, path} structures, or paths; "COLUMN.PATH" for a place inside of its cells.
        caption: column of captions, several, or columns by role: text, lists of text, or {text, role} structures.
        key: column of names; when not given the column "key" where there is one, else names are FILE/ROW.
        name: for logs and metrics; the folder's name when not given.
        image_root: the folder or URL that image paths start from; the first file's folder when not given. See `ImageCells`.
        cache: megabytes of decoded row groups that each reading process keeps; the newest column is kept however large.
        storage: reads the files.

    Raises:
        DataError: for a missing path, a file that is not Parquet, a column that is not there, and files without rows or captions.
        ValueError: for a negative cache.
    """

    def __init__(
        self,
        path: str | list[str],
        image: str = "image",
        caption: FieldNames = "caption",
        key: str | None = None,
        name: str | None = None,
        image_root: str | None = None,
        cache: int = 320,
        storage: Storage | None = None,
    ) -> None:
        if cache < 0:
            raise ValueError(f"cache must be at least 0, got {cache}")
        storage = storage if storage is not None else Storage()
        rows = ParquetRows(storage.find(path, ".parquet"), storage, cache * MEGABYTE)
        folder = folder_of(rows.files[0])
        name = name if name is not None else Path(folder).resolve().name
        root = image_root if image_root is not None else folder
        super().__init__(rows, name, image, caption, key if key is not None else default_key(rows, image), root, storage)
