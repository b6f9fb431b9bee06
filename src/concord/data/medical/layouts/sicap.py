"""SICAPv2: patches of prostate biopsies with Gleason grades (Silva-Rodriguez et al. 2020)."""

from __future__ import annotations

from collections.abc import Iterator

from concord.data.benchmarks.rows import Row
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.sheets import xlsx_rows
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError

GRADES = {
    "NC": "benign prostate tissue",
    "G3": "prostate cancer of Gleason grade 3",
    "G4": "prostate cancer of Gleason grade 4",
    "G5": "prostate cancer of Gleason grade 5",
}
"""By column, in the order of the labels, which is that of severity."""


class SICAPv2(Layout):
    """images/*.jpg, partition/.../{Train,Test}.xlsx and wsi_labels.xlsx, which names the patient of each slide.

    The class of a patch is the first of the columns NC, G3, G4, G5 with the largest value. The official parts share no patient;
    those below partition/Validation cut the training part again, by patient as well.

    Args:
        path: the folder, or its URL.
        partition: below partition/: "Test", or "Validation/Val1" to "Validation/Val4", whose Test.xlsx is then read as the
            validation part.
    """

    name = "sicap"
    modality = "histology"
    class_names = tuple(GRADES.values())

    def __init__(self, path: str, partition: str = "Test") -> None:
        self.root = path
        self._partition = partition

    def exams(self, storage: Storage) -> Iterator[Exam]:
        owners = xlsx_rows(storage, below(self.root, "wsi_labels.xlsx"), ["slide_id", "patient_id"])
        patients = {row.name("slide_id"): row.name("patient_id") for row in owners}
        asked: Split = "validation" if self._partition.startswith("Validation") else "test"
        parts: dict[str, Split] = {"Train": "train", "Test": asked}
        for file, split in parts.items():
            for row in xlsx_rows(storage, below(self.root, f"partition/{self._partition}/{file}.xlsx"), ["image_name", *GRADES]):
                image = row.text("image_name")
                slide = image.partition("_Block_")[0]
                if slide not in patients:
                    raise DataError(f"{row.place}: slide {slide} is not in wsi_labels.xlsx; is it of this release?")
                yield Exam(f"images/{image}", patients[slide], split=split, label=_grade(row), known={"slide_id": slide})


def _grade(row: Row) -> int:
    shares = [row.number(column) for column in GRADES]
    if max(shares) <= 0:
        raise DataError(f"{row.place}: none of {', '.join(GRADES)} is set")
    return shares.index(max(shares))
