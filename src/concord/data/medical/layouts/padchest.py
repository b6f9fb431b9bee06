"""PadChest (Bustos et al. 2020): radiographs of the chest of about 67,000 patients in Alicante, with reports in Spanish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from concord.access import Access
from concord.data.benchmarks.rows import csv_rows
from concord.data.medical.exams import UNKNOWN, Exam
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.beside import list_at, view_of, zipped
from concord.data.storage.storage import Storage

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
COLUMNS = ["ImageID", "ImageDir", "StudyID", "PatientID", "Projection", "Report", "MethodLabel", "Labels"]
"""Dates, ages and what else the table says about patients are not read."""

UNUSABLE = "EXCLUDE"
SAYS_NOTHING = {"exclude", "suboptimal study"}
"""Labels of sentences that say that something cannot be judged: what is not named then may be there all the same."""


class PadChest(Layout):
    """One table, also compressed, and 16-bit PNG files in numbered folders or in one.

    Reports, which are findings alone, are in Spanish, in lower case, stemmed, with " ." at the end of a sentence. English captions
    are made of the labels.
    There are no splits. Pictures whose projection is EXCLUDE are left out, as their publishers advise.

    Args:
        path: the folder.
        images: of the pictures, below `path`; "" is the folder itself.
        folders: whether a picture lies in a folder with the number of its archive, as the archives have them unpacked each to
            its own; else all lie in one.
        findings: labels of the data set that are classes; None: no classes. A label that is not named by a report that has
            labels is absent; without labels nothing is known, and labels that say so leave the others unknown.
        class_names: as prompts and captions name them, in the same order; None: the labels themselves.
        labelled_by: "physician" leaves out what a network labelled, about three quarters.

    Raises:
        ValueError: for other numbers of findings and names.
    """

    name = "padchest"
    access: Access = "restricted"
    modality = "radiograph"

    def __init__(
        self,
        path: str,
        images: str = "",
        folders: bool = True,
        findings: list[str] | None = None,
        class_names: list[str] | None = None,
        labelled_by: Literal["anybody", "physician"] = "anybody",
    ) -> None:
        self._findings = [finding.lower() for finding in findings or []]
        if class_names is not None and len(class_names) != len(self._findings):
            raise ValueError(f"class_names must be as many as findings, {len(self._findings)}, got {len(class_names)}")
        self.root = f"{path.rstrip('/')}/{images}" if images else path
        self.class_names = class_names if class_names is not None else list(findings or [])
        self._path, self._folders = path, folders
        self._by_physician = labelled_by == "physician"

    def exams(self, storage: Storage) -> Iterator[Exam]:
        file = list_at(storage, self._path, zipped(TABLE))
        for row in csv_rows(storage, file, COLUMNS):
            cells = {name: cell.strip() for name, cell in row.cells.items()}
            if cells["Projection"].upper() == UNUSABLE or (self._by_physician and cells["MethodLabel"] != "Physician"):
                continue
            folder = cells["ImageDir"].partition(".")[0]  # pandas writes 0.0 where other cells are empty
            report = sentences(cells["Report"])
            yield Exam(
                f"{folder}/{cells['ImageID']}" if self._folders else cells["ImageID"],
                cells["PatientID"],
                cells["StudyID"],
                view_of(cells["Projection"]),
                findings=self._found(labels_of(cells["Labels"])),
                texts={"findings": report} if report else {},
                known={"language": "es", "labelled_by": cells["MethodLabel"]},
            )

    def _found(self, labels: set[str]) -> tuple[int, ...]:
        absent = UNKNOWN if not labels or labels & SAYS_NOTHING else 0
        return tuple(1 if finding in labels else absent for finding in self._findings)


def labels_of(cell: str) -> set[str]:
    """The labels in a cell such as "['pacemaker', ' chronic changes', '']", in lower case; none in "nan".

    The list is not parsed as Python: cells have stray spaces and quotes, and no label holds a comma or a quote.
    """
    if cell.strip().lower() in ("", "nan"):
        return set()
    words = (" ".join(re.sub(r"[\[\]'\"]", " ", part).split()) for part in cell.split(","))
    return {label.lower() for label in words if label}


def sentences(report: str) -> str:
    """A report with full stops where they belong: "silu cardi normal . no derram ." as "silu cardi normal. no derram."."""
    return re.sub(r"\s+(?=\.)", "", " ".join(report.split())) if report.lower() != "nan" else ""
