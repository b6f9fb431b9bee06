"""The assembly of fundus photographs that FLAIR (Silva-Rodríguez et al. 2025) was trained on, and what is listed like it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from concord.access import Access
from concord.data.benchmarks.rows import Row, csv_rows
from concord.data.medical.exams import UNKNOWN, Exam
from concord.data.medical.layout import Layout
from concord.data.medical.several import text_of
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage

_EYE = re.compile(r"[_-](?:left|right|od|os)$", re.IGNORECASE)


class FLAIRTables(Layout):
    """CSV files with an index and `image,atributes,categories` (spelt so), the last two as Python writes lists:
    `0,08_ODIR-5K/preprocessed_images/900_right.jpg,[],['cataract']`.

    The first folder of a path is the data set that a picture is from; `balanced` draws from all of them alike, as FLAIR does. Some
    of them have whole descriptions in the place of categories. Both eyes of a patient are known by names that end in _left and
    _right; there is no split, and `patient_split` makes one.

    findings: 1 for each category of a picture, and unknown for all others. known: `dataset`, `attributes` (a list).

    Args:
        path: the folder that paths of pictures start from.
        tables: the CSV files below it, a glob, or a list of these.
        datasets: the first folders of those that are read; None reads all.
        access: of the strictest of the data sets, see `concord.access`.

    Attributes:
        class_names: the categories of all tables, sorted; known once the exams are read.
    """

    name = "flair"
    modality = "fundus"

    def __init__(
        self,
        path: str,
        tables: str | list[str] = "dataframes/*.csv",
        datasets: list[str] | None = None,
        access: Access = "open",
    ) -> None:
        self.root = path
        self.access = access
        self._tables = [below(path, table) for table in ([tables] if isinstance(tables, str) else tables)]
        self._datasets = datasets

    def exams(self, storage: Storage) -> Iterator[Exam]:
        listed = [_Photograph(row) for file in storage.find(self._tables, ".csv") for row in csv_rows(storage, file, _Photograph.COLUMNS)]
        chosen = [each for each in listed if self._datasets is None or each.dataset in self._datasets]
        self.class_names = sorted({category for each in chosen for category in each.categories})
        places = {category: place for place, category in enumerate(self.class_names)}
        for each in chosen:
            findings = [UNKNOWN] * len(places)
            for category in each.categories:
                findings[places[category]] = 1
            yield Exam(each.image, each.patient, findings=tuple(findings), known=each.known)


class _Photograph:
    """A row."""

    COLUMNS = ("image", "atributes", "categories")

    def __init__(self, row: Row) -> None:
        self.image = row.text("image")
        self.dataset = self.image.partition("/")[0]
        self.patient = f"{self.dataset}/{_EYE.sub('', PurePosixPath(self.image).stem)}"
        self.categories = _words(row, "categories")
        self.known: dict[str, Any] = {"dataset": self.dataset, "attributes": _words(row, "atributes")}


def _words(row: Row, column: str) -> list[str]:
    return [word for word in map(text_of, row.literal(column).values(column)) if word]
