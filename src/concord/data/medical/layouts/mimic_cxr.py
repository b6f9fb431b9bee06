"""MIMIC-CXR (Johnson et al. 2019): radiographs of the chest of 65,379 patients with their reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from concord.access import Access
from concord.data.benchmarks.rows import csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.beside import list_at, meaning_of, read_report, require_folder, view_of, zipped
from concord.data.medical.layouts.findings import Findings
from concord.data.medical.layouts.lists import spelled_rows
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.types import ViewPosition

SPLITS: Mapping[str, Split] = {"train": "train", "validate": "validation", "test": "test"}

LABELS = {
    "chexpert": zipped("mimic-cxr-2.0.0-chexpert.csv"),
    "negbio": zipped("mimic-cxr-2.0.0-negbio.csv"),
    "radiologist": ("mimic-cxr-2.1.0-test-set-labeled.csv",),
}
SPELLINGS = {"Lung Opacity": ["Airspace Opacity", "Lung Opacity"]}
"""The radiologist's list has another name for a finding."""


class MimicCXR(Layout):
    """Two releases with the same folders, of which each lacks a part: pictures as DICOM with reports in MIMIC-CXR, pictures as JPG
    with lists in MIMIC-CXR-JPG.

    - `IMAGES/files/p10/p10000099/s50000111/NAME.dcm`, or .jpg
    - `REPORTS/files/p10/p10000099/s50000111.txt`
    - `LISTS/mimic-cxr-2.0.0-{split,metadata,chexpert,negbio}.csv.gz`, also unpacked, and `mimic-cxr-2.1.0-test-set-labeled.csv`

    The official split shares no patient. Texts: "report", whole.

    Args:
        images: folder of the release whose pictures are read.
        lists: folder of MIMIC-CXR-JPG.
        reports: folder of MIMIC-CXR, or of its reports alone; None: no texts.
        suffix: of the pictures.
        labels: whose findings: those of a labeller of reports, by study; or those of a radiologist for 687 studies of the test
            part, which leaves all others out. None: no findings.
        findings: how they are read; needed with labels.

    Raises:
        ValueError: for labels without findings, and the other way round.
    """

    name = "mimic_cxr"
    access: Access = "credentialed"
    modality = "radiograph"

    def __init__(
        self,
        images: str,
        lists: str,
        reports: str | None = None,
        suffix: Literal[".jpg", ".dcm"] = ".jpg",
        labels: Literal["chexpert", "negbio", "radiologist"] | None = None,
        findings: Findings | None = None,
    ) -> None:
        if (labels is None) != (findings is None):
            raise ValueError("labels and findings belong together; give both, or set both to null")
        self.root = images
        self.class_names = findings.class_names if findings is not None else ()
        self._lists, self._reports, self._suffix = lists, reports, suffix
        self._labels: Literal["chexpert", "negbio", "radiologist"] | None = labels
        self._findings = findings

    def exams(self, storage: Storage) -> Iterator[Exam]:
        if self._reports is not None:
            require_folder("reports", self._reports)
        views, labels = self._views(storage), self._studies(storage)
        file = list_at(storage, self._lists, zipped("mimic-cxr-2.0.0-split.csv"))
        for row in csv_rows(storage, file, ["dicom_id", "study_id", "subject_id", "split"]):
            name, study, patient, split = row.cells.values()
            if self._labels == "radiologist" and study not in labels:
                continue
            path = f"files/p{patient[:2]}/p{patient}/s{study}/{name}{self._suffix}"
            part = meaning_of(split, SPLITS, "split", without_secrets(file))
            found = labels.get(study, self._findings.unknown if self._findings is not None else ())
            yield Exam(path, patient, study, views.get(name, ""), split=part, findings=found)

    def texts(self, exam: Exam, storage: Storage) -> Mapping[str, str]:
        if self._reports is None:
            return {}
        return {"report": read_report(self._reports, f"{exam.image.rpartition('/')[0]}.txt", storage)}

    def _views(self, storage: Storage) -> dict[str, ViewPosition]:
        file = list_at(storage, self._lists, zipped("mimic-cxr-2.0.0-metadata.csv"))
        rows = csv_rows(storage, file, ["dicom_id", "ViewPosition"])
        return {row.cells["dicom_id"]: view_of(row.cells["ViewPosition"]) for row in rows}

    def _studies(self, storage: Storage) -> dict[str, tuple[int, ...]]:
        """The findings of each study that the labels have."""
        if self._labels is None or self._findings is None:
            return {}
        file = list_at(storage, self._lists, LABELS[self._labels])
        spellings = SPELLINGS if self._labels == "radiologist" else {}
        columns = {column: spellings.get(column, [column]) for column in ("study_id", *self._findings.columns)}
        place = without_secrets(file)
        return {row.cells["study_id"]: self._findings.of(row.cells, place) for row in spelled_rows(storage, file, columns)}
