"""Pictures and captions listed in one table, such as the one that OpenPath (Huang et al. 2023) is collected into."""

from __future__ import annotations

from collections.abc import Iterator

from concord.access import Access
from concord.data.benchmarks.rows import Row, csv_rows
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.medical.several import numbered
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage


class OpenPath(Layout):
    """A CSV file with a picture and a caption per row. OpenPath itself is published as ids of posts, which everybody collects for
    themselves; PLIP's scripts write `image,label,label_text,text_style_4`, whose last column is a caption made from the label.

    The rows of a picture become one example with all of its captions. There is no split; `patient_split` makes one, by `group`.

    texts: `caption`, `caption 2`, ...

    Args:
        path: the folder.
        table: the CSV file below it, also compressed with gzip.
        image, caption: its columns.
        group: column of what must not be in two parts, such as the post or the author; None: every picture stands alone.
        images: the folder below `path` that paths of pictures start from; "" is the folder itself.
    """

    name = "openpath"
    access: Access = "restricted"
    modality = "histology"

    def __init__(
        self,
        path: str,
        table: str = "openpath.csv",
        image: str = "image",
        caption: str = "caption",
        group: str | None = None,
        images: str = "",
    ) -> None:
        self.root = below(path, images)
        self._table = below(path, table)
        self._image, self._caption, self._group = image, caption, group

    def exams(self, storage: Storage) -> Iterator[Exam]:
        columns = [self._image, self._caption, *([self._group] if self._group is not None else [])]
        pictures: dict[str, list[Row]] = {}
        for row in csv_rows(storage, self._table, columns):
            pictures.setdefault(row.text(self._image), []).append(row)
        for picture, rows in pictures.items():
            group = rows[0].text(self._group) if self._group is not None else picture
            yield Exam(picture, group, texts=numbered("caption", [row.cells[self._caption] for row in rows]))
