"""CheXpert Plus (Chambon et al. 2024): CheXpert's radiographs with their reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Literal

from concord.access import Access
from concord.data.benchmarks.rows import csv_rows, json_lines
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.beside import meaning_of
from concord.data.medical.layouts.chexpert import parsed, projection
from concord.data.medical.layouts.findings import Findings
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

SPLITS: Mapping[str, Split] = {"train": "train", "valid": "validation", "test": "test", "": ""}

SECTIONS = {
    "section_narrative": "narrative",
    "section_clinical_history": "indication",
    "section_history": "history",
    "section_comparison": "comparison",
    "section_technique": "technique",
    "section_findings": "findings",
    "section_impression": "impression",
    "section_summary": "summary",
}
"""Texts by column. The accession number, ages and other columns about the patient are not read."""

PICTURES: Mapping[str, tuple[str, str | None]] = {
    "png": ("path_to_image", ".png"),
    "jpg": ("path_to_image", None),
    "dicom": ("path_to_dcm", None),
}
"""By release the column of the paths, and the suffix that stands for the one in it."""


class CheXpertPlus(Layout):
    """A table with a row per picture, which repeats the report of its study, and a folder of pictures as PNG or DICOM; or CheXpert's
    own pictures as JPG, which have the same paths.

    Patients are named as in CheXpert. About a quarter of the reports have findings, most have an impression.

    Args:
        path: the folder.
        images: folder of `train/` and `valid/`, below `path`; of JPG CheXpert's own.
        release: which pictures are there.
        table: below `path`.
        labels: JSON lines with a picture and its findings each, below `path`, as CheXbert labelled reports or a section of them;
            None: no findings.
        findings: how they are read; needed with labels.

    Raises:
        ValueError: for labels without findings, and the other way round.
    """

    name = "chexpert_plus"
    cohort = "chexpert"
    access: Access = "restricted"
    modality = "radiograph"

    def __init__(
        self,
        path: str,
        images: str = "PNG",
        release: Literal["png", "jpg", "dicom"] = "png",
        table: str = "df_chexpert_plus_240401.csv",
        labels: str | None = None,
        findings: Findings | None = None,
    ) -> None:
        if (labels is None) != (findings is None):
            raise ValueError("labels and findings belong together; give both, or set both to null")
        self.root = below(path, images)
        self.class_names = findings.class_names if findings is not None else ()
        self._table = below(path, table)
        self._labels = below(path, labels) if labels is not None else None
        self._column, self._suffix = PICTURES[release]
        self._findings = findings

    def exams(self, storage: Storage) -> Iterator[Exam]:
        labels = self._labelled(storage)
        place = without_secrets(self._table)
        columns = ["path_to_image", self._column, "frontal_lateral", "ap_pa", "split", *SECTIONS]
        for row in csv_rows(storage, self._table, list(dict.fromkeys(columns))):
            cells = row.cells
            named = parsed(cells["path_to_image"], place)
            image = PurePosixPath(cells[self._column])
            yield Exam(
                str(image.with_suffix(self._suffix) if self._suffix is not None else image),
                named["patient"],
                named["study"],
                projection(cells["frontal_lateral"], cells["ap_pa"]),
                split=meaning_of(cells["split"], SPLITS, "split", place),
                findings=labels.get(cells["path_to_image"], self._findings.unknown if self._findings is not None else ()),
                texts={name: cells[column].strip() for column, name in SECTIONS.items() if cells[column].strip()},
            )

    def _labelled(self, storage: Storage) -> dict[str, tuple[int, ...]]:
        """The findings of each picture that the labels have."""
        if self._labels is None or self._findings is None:
            return {}
        place, found = without_secrets(self._labels), {}
        for row in json_lines(storage, self._labels):
            if lacking := next((name for name in ("path_to_image", *self._findings.columns) if name not in row.cells), None):
                raise DataError(f"{place}: {lacking} is missing in one of its lines")
            found[row.cells["path_to_image"]] = self._findings.of(row.cells, place)
        return found
