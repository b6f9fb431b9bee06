"""RSNA Pneumonia Detection Challenge (Shih et al. 2019): radiographs of NIH ChestX-ray14, read again by radiologists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from concord.access import Access
from concord.data.benchmarks.rows import csv_rows, json_list
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.nih import COHORT, patient_of
from concord.data.medical.layouts.stratified import Division, StratifiedSplit
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError

NORMAL, MIDDLE, OPACITY = "Normal", "No Lung Opacity / Not Normal", "Lung Opacity"


class RSNAPneumonia(Layout):
    """One DICOM file per exam, named by what the tables call `patientId`, which is the number of a picture and of no patient.

    An exam shows pneumonia where any of its rows has Target 1; there is a row per box. The challenge has no public test part, so
    that parts are drawn (`parts`) or taken from published lists (`lists`). `known["detail"]` has the radiologists' class.

    Args:
        path: the folder, or its URL.
        middle: what becomes of pictures that are neither normal nor show pneumonia. "exclude": normal against pneumonia;
            "negative": pneumonia or not.
        mapping: the organisers' JSON list that names the NIH picture behind each, and with it the patient; None: every picture
            passes for a patient of its own, and parts may share patients.
        lists: by part a text file with a `patientId` per line; None draws parts.
        parts: how they are drawn; None with lists.
        images: folder of the pictures, below `path`.
        labels, details: the tables, below `path`.

    Raises:
        ConfigError: unless there are either lists or parts.
    """

    name = "rsna"
    access: Access = "restricted"
    modality = "radiograph"

    def __init__(
        self,
        path: str,
        middle: Literal["exclude", "negative"] = "exclude",
        mapping: str | None = None,
        lists: dict[str, str] | None = None,
        parts: StratifiedSplit | None = None,
        images: str = "stage_2_train_images",
        labels: str = "stage_2_train_labels.csv",
        details: str = "stage_2_detailed_class_info.csv",
    ) -> None:
        self.root = below(path, images)
        self.tells_patients = mapping is not None
        self.cohort = COHORT if mapping is not None else ""
        self.class_names = ["normal lungs" if middle == "exclude" else "no pneumonia", "pneumonia"]
        self._middle = middle
        self._folder, self._labels, self._details, self._mapping = path, labels, details, mapping
        self._division = Division(self.name, lists, parts)

    def exams(self, storage: Storage) -> Iterator[Exam]:
        found = self._found(storage)
        details = {row.text("patientId"): row.text("class") for row in csv_rows(storage, self._file(self._details), ["patientId", "class"])}
        if lacking := len(found.keys() - details.keys()):
            raise DataError(f"{self._file(self._details)}: {lacking} of {len(found)} pictures are not in it; is it of this release?")
        patients = self._patients(storage, found)
        kept = [image for image in found if self._middle == "negative" or details[image] != MIDDLE]
        splits = self._division.splits(storage, self._folder, found, patients)
        for image in kept:
            patient = patients[image] if patients is not None else image
            yield Exam(f"{image}.dcm", patient, split=splits.get(image, ""), label=found[image], known={"detail": details[image]})

    def _found(self, storage: Storage) -> dict[str, int]:
        """1 for pneumonia, else 0, by picture in the order of the table."""
        found: dict[str, int] = {}
        for row in csv_rows(storage, self._file(self._labels), ["patientId", "Target"]):
            image = row.text("patientId")
            found[image] = max(found.get(image, 0), row.index("Target", 2))
        return found

    def _patients(self, storage: Storage, found: dict[str, int]) -> dict[str, str] | None:
        """Of each picture; None where nothing tells them."""
        if self._mapping is None:
            return None
        numbers = {row.text("subset_img_id"): patient_of(row.text("img_id")) for row in json_list(storage, self._file(self._mapping))}
        if lacking := len(found.keys() - numbers.keys()):
            raise DataError(f"{self._file(self._mapping)}: {lacking} of {len(found)} pictures are not in it; is it the right mapping?")
        return {image: numbers[image] for image in found}

    def _file(self, name: str) -> str:
        return below(self._folder, name)
