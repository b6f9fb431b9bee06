"""Quilt-1M (Ikezogwo et al. 2023): frames of lectures on histology with what is said in them, and pictures from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from concord.access import Access
from concord.data.benchmarks.rows import Row
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.figures import apart
from concord.data.medical.several import numbered, text_of
from concord.data.readers.annotated import below
from concord.data.readers.cells import find_column
from concord.data.readers.table_rows import SeparatedRows, TableFile
from concord.data.storage.storage import Storage
from concord.errors import DataError

Subset = Literal["quilt", "openpath", "pubmed", "laion"]
SPLITS: Mapping[str, Split] = {"train": "train", "val": "validation"}
FRAME = "_image_"
"""Stands between a video's id and a frame's."""

COLUMNS = ["caption", "image_path", "subset", "split", "pathology", "roi_text", "magnification"]
FLAWS = ("single_wsi", "not_histology")
"""Columns of the later release."""


class Quilt1M(Layout):
    """`quilt_1M_lookup.csv` with a row per caption, several for many pictures, and a folder of pictures.

    The rows of a picture become one example with all of its captions; its video stands in the place of a patient, so that no
    video is in two parts: frames of the train part whose video is in validation are in no part. OpenPath's and PubMed's pictures
    are in other data sets too.

    texts: `caption`, `caption 2`, ...; `region`, ... what the lecturer pointed at. known: `subset`, `pathology` (a list),
    `magnification`, and what the later release has beside them.

    Args:
        path: the folder.
        subsets: which parts of it; None takes all.
        table: the table, below `path`.
        images: the folder of pictures below `path`.

    Raises:
        ValueError: for a subset that there is not.
    """

    name = "quilt_1m"
    access: Access = "restricted"
    modality = "histology"

    def __init__(
        self, path: str, subsets: list[Subset] | None = None, table: str = "quilt_1M_lookup.csv", images: str = "quilt_1m"
    ) -> None:
        self._subsets = get_args(Subset) if subsets is None else tuple(subsets)
        if not self._subsets or not set(self._subsets) <= set(get_args(Subset)):
            raise ValueError(f"subsets must be some of {', '.join(get_args(Subset))}, got {subsets}")
        self.root = below(path, images)
        self._table = below(path, table)

    def exams(self, storage: Storage) -> Iterator[Exam]:
        return apart(self.name, (picture.exam(name) for name, picture in self._pictures(storage).items()))

    def _pictures(self, storage: Storage) -> dict[str, _Picture]:
        """By file, in the order in which they are first named."""
        found: dict[str, _Picture] = {}
        for row in self._rows(storage):
            if row.cells["subset"] in self._subsets:
                found.setdefault(row.text("image_path"), _Picture(row)).add(row)
        return found

    def _rows(self, storage: Storage) -> Iterator[Row]:
        table = SeparatedRows(TableFile(self._table, storage), ",")
        for column in COLUMNS:
            find_column(column, table.columns, "expected", table.place)
        columns = [*COLUMNS, *(column for column in FLAWS if column in table.columns)]
        return (Row(f"{table.place}, row {number + 1}", table.read(number, columns)) for number in range(len(table)))


@dataclass
class _Picture:
    """What the rows of one picture say; the first row says what is the same in all."""

    first: Row
    captions: list[str] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.captions.append(row.cells["caption"])
        self.regions.extend(_words(row, "roi_text"))

    def exam(self, name: str) -> Exam:
        cells = self.first.cells
        split = SPLITS.get(text_of(cells["split"]))
        if split is None:
            raise DataError(f"{self.first.place}: split must be {' or '.join(SPLITS)}")
        known: dict[str, Any] = {"subset": cells["subset"], "pathology": _words(self.first, "pathology")}
        known |= {column: text_of(cells[column]) for column in ("magnification", *FLAWS) if text_of(cells.get(column))}
        texts = {**numbered("caption", self.captions), **numbered("region", self.regions)}
        return Exam(name, name.partition(FRAME)[0], split=split, texts=texts, known=known)


def _words(row: Row, column: str) -> list[str]:
    """The texts of a list that is written as Python writes it; none in a cell that is blank or holds something else."""
    try:
        return [word for word in map(text_of, row.literal(column).values(column)) if word]
    except DataError:
        return []
