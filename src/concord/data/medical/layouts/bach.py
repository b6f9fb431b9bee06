"""BACH: microscopy of breast tissue (Aresta et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterator

from concord.data.benchmarks.rows import Row
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.readers.annotated import below
from concord.data.readers.table_rows import SeparatedRows, TableFile
from concord.data.storage.storage import Storage

TISSUES = {
    "Benign": "benign breast tissue",
    "InSitu": "breast carcinoma in situ",
    "Invasive": "invasive breast carcinoma",
    "Normal": "normal breast tissue",
}
"""By class folder, in the order of the labels."""

COLUMNS = ["image", "tissue"]


class BACH(Layout):
    """Photos/CLASS/n001.tif beside Photos/microscopy_ground_truth.csv, whose first line is a picture already and no header.

    Only the 400 pictures of the training set have public labels, and nothing tells whose they are.

    Args:
        path: the folder ICIAR2018_BACH_Challenge, or its URL.
    """

    name = "bach"
    modality = "histology"
    tells_patients = False
    class_names = tuple(TISSUES.values())

    def __init__(self, path: str) -> None:
        self.root = below(path, "Photos")

    def exams(self, storage: Storage) -> Iterator[Exam]:
        labels = {folder: label for label, folder in enumerate(TISSUES)}
        rows = SeparatedRows(TableFile(below(self.root, "microscopy_ground_truth.csv"), storage), ",", COLUMNS)
        for number in range(len(rows)):
            row = Row(f"{rows.place}, row {number + 1}", rows.read(number, COLUMNS))
            tissue = row.one_of("tissue", list(TISSUES))
            image = f"{tissue}/{row.text('image')}"
            yield Exam(image, image, label=labels[tissue])
