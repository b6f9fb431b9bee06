"""CT-RATE (Hamamci et al. 2024): CT volumes of the chest of 21,304 patients with their reports."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from concord.access import Access
from concord.data.benchmarks.rows import csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.beside import is_there
from concord.data.medical.layouts.findings import Findings
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

VOLUME = re.compile(r"(?P<scan>(?P<patient>(?P<part>train|valid)_\d+)_[a-z]+)_(?P<reconstruction>\d+)\.nii\.gz")
"""Part, patient, scan (letters) and reconstruction (a number): train_99999_a_1.nii.gz."""


class _Part(NamedTuple):
    split: Split
    reports: str
    metadata: str
    labels: str


PARTS = [
    _Part("train", "train_reports.csv", "train_metadata.csv", "train_predicted_labels.csv"),
    _Part("validation", "validation_reports.csv", "validation_metadata.csv", "valid_predicted_labels.csv"),
]

SECTIONS = {
    "ClinicalInformation_EN": "indication",
    "Technique_EN": "technique",
    "Findings_EN": "findings",
    "Impressions_EN": "impression",
}
NOT_GIVEN = "not given"


class CTRate(Layout):
    """NIfTI volumes, `train_fixed/train_99999/train_99999_a/train_99999_a_1.nii.gz` and the same in `valid_fixed`, of which slices
    are taken; lists in `radiology_text_reports`, `metadata` and `multi_abnormality_labels`.

    The values of these volumes are Hounsfield units. The lists name slope and intercept of the DICOM files too: they are not read,
    as they are in the volumes already. Folders without `_fixed` hold an earlier release, without them and with wrong spacings.

    A scan has several reconstructions with one report: the scan is the study. Sections that are "Not given." are left out.

    Args:
        path: folder `dataset` of the repository.
        slices: per volume, in the middle of as many equal parts of its length.
        reconstructions: of a scan at most so many volumes, by their numbers; None: all.
        findings: which of the 18 labels are classes, and what they are called; None: no classes. A network mined them from the
            reports.

    Raises:
        ValueError: for slices or reconstructions below 1.
    """

    name = "ct_rate"
    access: Access = "restricted"
    modality = "ct"

    def __init__(self, path: str, slices: int = 8, reconstructions: int | None = 1, findings: Findings | None = None) -> None:
        if slices < 1:
            raise ValueError(f"slices must be at least 1, got {slices}")
        if reconstructions is not None and reconstructions < 1:
            raise ValueError(f"reconstructions must be at least 1 or null, got {reconstructions}")
        self.root = path
        self.class_names = findings.class_names if findings is not None else ()
        self._slices, self._reconstructions, self._findings = slices, reconstructions, findings

    def exams(self, storage: Storage) -> Iterator[Exam]:
        there = [part for part in PARTS if is_there(storage, self._list("radiology_text_reports", part.reports))]
        if not there:
            wanted = " nor ".join(part.reports for part in PARTS)
            raise DataError(f"{without_secrets(self._list('radiology_text_reports'))}: neither {wanted} in it; is path the folder dataset?")
        for part in there:
            yield from self._listed(part, storage)

    def _listed(self, part: _Part, storage: Storage) -> Iterator[Exam]:
        file = self._list("radiology_text_reports", part.reports)
        texts = {row.cells["VolumeName"]: _sections(row.cells) for row in csv_rows(storage, file, ["VolumeName", *SECTIONS])}
        spacings, labels = self._spacings(part, storage), self._labels(part, storage)
        for name, volume in self._chosen(texts, without_secrets(file)).items():
            for position in ((number + 0.5) / self._slices for number in range(self._slices)):
                yield Exam(
                    f"{volume['part']}_fixed/{volume['patient']}/{volume['scan']}/{name}",
                    volume["patient"],
                    volume["scan"],
                    split=part.split,
                    position=position,
                    findings=labels.get(name, self._findings.unknown if self._findings is not None else ()),
                    texts=texts[name],
                    known={"spacing_mm": spacings[name]} if name in spacings else {},
                )

    def _chosen(self, names: Mapping[str, object], place: str) -> dict[str, re.Match[str]]:
        """The volumes that are taken, in the order of the list."""
        found = {name: _parsed(name, place) for name in names}
        scans: dict[str, list[str]] = {}
        for name in sorted(found, key=lambda name: int(found[name]["reconstruction"])):
            scans.setdefault(found[name]["scan"], []).append(name)
        taken = {name for own in scans.values() for name in own[: self._reconstructions]}
        return {name: volume for name, volume in found.items() if name in taken}

    def _spacings(self, part: _Part, storage: Storage) -> dict[str, list[float]]:
        """Of each volume the distances of voxels along x, y and z, in mm."""
        file = self._list("metadata", part.metadata)
        place = without_secrets(file)
        rows = csv_rows(storage, file, ["VolumeName", "XYSpacing", "ZSpacing"])
        return {row.cells["VolumeName"]: spacing_of(row.cells["XYSpacing"], row.cells["ZSpacing"], place) for row in rows}

    def _labels(self, part: _Part, storage: Storage) -> dict[str, tuple[int, ...]]:
        if self._findings is None:
            return {}
        file = self._list("multi_abnormality_labels", part.labels)
        rows = csv_rows(storage, file, ["VolumeName", *self._findings.columns])
        return {row.cells["VolumeName"]: self._findings.of(row.cells, without_secrets(file)) for row in rows}

    def _list(self, folder: str, file: str = "") -> str:
        return below(self.root, f"{folder}/{file}" if file else folder)


def spacing_of(plane: str, along: str, place: str) -> list[float]:
    """Spacings along x, y and z in mm, from a text such as "[0.72, 0.72]" and one number.

    Raises:
        DataError: for anything else, which is not told.
    """
    try:
        x, y = json.loads(plane)
        spacing = [float(x), float(y), float(along)]
    except (ValueError, TypeError, RecursionError):
        spacing = []
    if not spacing or not all(0 < value < 1000 for value in spacing):
        raise DataError(f'{place}: every XYSpacing must be like "[0.72, 0.72]" and every ZSpacing a number, in mm, and one is not')
    return spacing


def _parsed(name: str, place: str) -> re.Match[str]:
    found = VOLUME.fullmatch(name)
    if found is None:
        raise DataError(f"{place}: every VolumeName must be like train_99999_a_1.nii.gz, and one is not")
    return found


def _sections(cells: Mapping[str, str]) -> dict[str, str]:
    """The sections that are given, by name."""
    texts = {name: " ".join(cells[column].split()) for column, name in SECTIONS.items()}
    return {name: text for name, text in texts.items() if text.rstrip(".").lower() not in ("", NOT_GIVEN, "nan")}
