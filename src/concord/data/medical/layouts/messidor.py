"""Messidor-2: fundus photographs graded for diabetic retinopathy (Decenciere et al. 2014; grades of Krause et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from concord.access import Access
from concord.data.benchmarks.rows import Row
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import files_by_name, spelled_rows
from concord.data.readers.annotated import below
from concord.data.readers.table_rows import SeparatedRows, TableFile
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.vocabularies import class_names

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")

COLUMNS = {
    "image": ("image_id", "id_code"),
    "grade": ("adjudicated_dr_grade", "diagnosis"),
    "edema": ("adjudicated_dme",),
    "gradable": ("adjudicated_gradable",),
}


class Messidor2(Layout):
    """The pictures of the release in IMAGES/, its messidor-2.csv ("left;right", the two eyes of an examination per line), and the
    adjudicated grades in messidor_data.csv, which is published elsewhere. Pictures that nobody could grade are left out.

    Both eyes are one patient. The two lists may give a picture different suffixes; its name counts.

    Args:
        path: the folder, on this machine or in a store that can list.
        images: folder of the pictures, below it.
        grades: the table of grades, below it.
        pairs: the list of examinations, below it.
    """

    name = "messidor2"
    access: Access = "restricted"
    modality = "fundus"

    def __init__(self, path: str, images: str = "IMAGES", grades: str = "messidor_data.csv", pairs: str = "messidor-2.csv") -> None:
        self.root = below(path, images)
        self.class_names = class_names("retinamnist")
        self._grades, self._pairs = below(path, grades), below(path, pairs)

    def exams(self, storage: Storage) -> Iterator[Exam]:
        files = files_by_name(self.root, SUFFIXES, storage)
        patients = self._patients(storage)
        for row in spelled_rows(storage, self._grades, COLUMNS):
            if not row.index("gradable", 2):
                continue
            image = _stem(row.text("image"))
            if image not in files or image not in patients:
                lacking = "has no partner in the list of pairs" if image in files else "is not there"
                raise DataError(f"{row.place}: its picture {lacking}; is all of one release?")
            grade = row.index("grade", len(self.class_names))
            yield Exam(files[image], patients[image], label=grade, known={"edema": row.index("edema", 2)})

    def _patients(self, storage: Storage) -> dict[str, str]:
        """By picture the number of its examination."""
        rows = SeparatedRows(TableFile(self._pairs, storage), ";")
        if len(rows.columns) != 2:
            raise DataError(f"{rows.place}: expected two columns, left;right, got {len(rows.columns)}")
        read = (Row(f"{rows.place}, row {number + 1}", rows.read(number, rows.columns)) for number in range(len(rows)))
        return {_stem(row.text(side)): str(number) for number, row in enumerate(read) for side in rows.columns if row.cells[side].strip()}


def _stem(name: str) -> str:
    return PurePosixPath(name).stem
