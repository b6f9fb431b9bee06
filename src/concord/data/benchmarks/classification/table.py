"""Pictures and classes listed in one file."""

from __future__ import annotations

from pathlib import Path

from concord.data.benchmarks.classification.class_cells import Policy
from concord.data.benchmarks.classification.labelled import names_of
from concord.data.benchmarks.classification.rows import LabelledRows, class_reader
from concord.data.readers.columns import Rows, folder_of
from concord.data.readers.row_groups import ParquetRows
from concord.data.readers.table import separator_of
from concord.data.readers.table_rows import JsonRows, SeparatedRows, TableFile
from concord.data.readers.text_rows import PARQUET
from concord.data.storage.paths import is_url, without_query
from concord.data.storage.storage import Storage
from concord.errors import DataError

CACHE = 64 << 20  # bytes of decoded columns of a Parquet file that are kept


class LabelledTable(LabelledRows):
    """A table with a picture and its class, or its findings, per row. What the other columns say of an example is its metadata.

    Args:
        path: .csv, .tsv, .json (a list of objects) or .jsonl, also compressed (.gz), or .parquet; a file or its URL.
        image: column of image paths, or in Parquet of encoded images: its name, or its number from 0; "COLUMN.PATH" for a
            place inside of its cells.
        label: column of the class, by name or number; its cells hold the class's number or name, in JSON and Parquet also a list
            of classes. None with `findings`.
        findings: columns with 1, 0, -1 (uncertain) or nothing, one per class.
        values: what stands in the column, by label; rows with other values are left out. None: integers are labels, and names
            are those of `class_names` or, where there are none, all that there are, sorted.
        class_names: by label: a list, or a set of `concord.vocabularies`; None takes values or columns.
        between: what separates several classes in a cell, such as "|".
        uncertain: what -1 counts as; "unknown" leaves the example out of the finding's score.
        blank: what an empty cell counts as.
        exclusive: every row has one finding, which is its only class (CheXpert 5x200, SICAPv2).
        where: only rows whose cells are, by column, this or one of these: {split: test}.
        key: column of the examples' names; the images' paths when not given.
        suffix: follows the cells of the image column, such as ".png".
        image_root: the folder or URL that image paths start from; the file's own folder when not given. See `ImageCells`.
        separator: what stands between the cells of a CSV or TSV file, one character or "tab"; by the suffix when not given.
        header: names of the columns of a CSV or TSV file that does not name them in its first line.
        name: for logs and metrics; the file's name when not given.
        storage: reads the table and the images.

    Raises:
        DataError: for a missing file or folder, one that cannot be parsed, a column that is not there, a finding that is none of
            these values, a class without a name, a table of whose rows none is left, and one of whose images none is there.
        ConfigError: unless there is either a label or findings, and for numbers without class names.
        ValueError: for a separator or header that the file cannot have.
    """

    def __init__(
        self,
        path: str,
        image: str | int = "image",
        label: str | int | None = "label",
        findings: list[str] | None = None,
        values: list[str] | None = None,
        class_names: list[str] | str | None = None,
        between: str | None = None,
        uncertain: Policy = "unknown",
        blank: Policy = "unknown",
        exclusive: bool = False,
        where: dict[str, str | list[str]] | None = None,
        key: str | None = None,
        suffix: str = "",
        image_root: str | None = None,
        separator: str | None = None,
        header: list[str] | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        rows = table_rows(path, separator, header, storage)
        root = image_root if image_root is not None else folder_of(path)
        if not is_url(root) and not Path(root).expanduser().is_dir():
            raise DataError(f"image_root: {root}: no such folder")
        classes = class_reader(rows, label, findings, values, class_names, between, uncertain, blank, exclusive)
        names = names_of(class_names) if class_names is not None else None
        stem = without_query(path).rpartition("/")[2].partition(".")[0]
        name = name if name is not None else stem
        super().__init__(rows, name, image, classes, names, where or {}, key, suffix, root, storage)


def table_rows(path: str, separator: str | None, header: list[str] | None, storage: Storage) -> Rows:
    """The rows of a table in any file.

    Raises:
        DataError: for a file that cannot be read.
        ValueError: for a separator or header that the file cannot have.
    """
    if without_query(path).lower().endswith(PARQUET):
        if header is not None or separator is not None:
            raise ValueError("separator and header belong to CSV and TSV files; a Parquet file names its columns")
        return ParquetRows([path], storage, CACHE)
    file = TableFile(path, storage)
    between = separator_of(separator, file.suffix)
    if between is not None:
        return SeparatedRows(file, between, header)
    if header is not None:
        raise ValueError(f"header belongs to CSV and TSV files, the table is {file.suffix}")
    return JsonRows(file)
