"""A hospital's archive in the layout of MIMIC-CXR, full of identifiers: in DICOM tags, file and folder names, lists and reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.data.medical.dicoms import IDENTIFIERS, PLANTED, UIDS, dicom_bytes
from tests.data.medical.layouts.files import put_file, write_gzip_csv

COLUMNS = ["Cardiomegaly", "Edema", "Pleural Effusion"]
WORD = "Zyxolith"
"""A word of every report, which no label's name or template has."""


@dataclass
class Hospital:
    """The archive.

    Attributes:
        folder: where it lies; its name is the user's own.
        patients: their numbers; the pictures of the last ones are for testing.
        planted: what no output may contain, in small letters.
    """

    folder: Path
    patients: list[str] = field(default_factory=lambda: [f"100009{number}" for number in range(80, 98)])

    @property
    def planted(self) -> set[str]:
        tags = {str(value).lower() for value in IDENTIFIERS.values()}
        names = {name for patient in self.patients for name in (patient, self.study(patient), self.picture(patient))}
        return tags | names | {PLANTED.lower(), UIDS, WORD.lower(), "18471106", "p10/p"}

    def study(self, patient: str) -> str:
        return f"5{patient[1:]}"

    def picture(self, patient: str) -> str:
        return "-".join(f"{int(patient) + group:08x}" for group in range(5))

    def path(self, patient: str) -> str:
        return f"files/p{patient[:2]}/p{patient}/s{self.study(patient)}"

    def split(self, patient: str) -> str:
        return "test" if patient in self.patients[-6:] else "train"

    def write(self) -> None:
        """All files."""
        rng = np.random.default_rng(0)
        for number, patient in enumerate(self.patients):
            pixels = rng.integers(0, 4096, (40, 32), dtype=np.uint16)
            tags = {"patient": f"{PLANTED}^{patient}", "patient_id": patient, "ViewPosition": "PA", "bits_stored": 12}
            content = dicom_bytes(pixels, window=(2048, 4096), **tags)
            put_file(self.folder / f"{self.path(patient)}/{self.picture(patient)}.dcm", content)
            put_file(self.folder / f"{self.path(patient)}.txt", _report(patient, number).encode())
        patients = [[self.picture(patient), self.study(patient), patient] for patient in self.patients]
        splits = [[*row, self.split(row[2])] for row in patients]
        write_gzip_csv(self.folder / "mimic-cxr-2.0.0-split.csv.gz", ["dicom_id", "study_id", "subject_id", "split"], splits)
        views = [[*row, "PA", "18471106"] for row in patients]
        header = ["dicom_id", "study_id", "subject_id", "ViewPosition", "StudyDate"]
        write_gzip_csv(self.folder / "mimic-cxr-2.0.0-metadata.csv.gz", header, views)
        labels = [[patient, self.study(patient), *_findings(number)] for number, patient in enumerate(self.patients)]
        write_gzip_csv(self.folder / "mimic-cxr-2.0.0-chexpert.csv.gz", ["subject_id", "study_id", *COLUMNS], labels)

    def damage(self) -> None:
        """Two files of the training part that cannot be read, and one of the test part: half a picture, a text in place of one, and
        a report that is no text."""
        first, second, last = self.patients[0], self.patients[1], self.patients[-1]
        file = self.folder / f"{self.path(first)}/{self.picture(first)}.dcm"
        file.write_bytes(file.read_bytes()[:-900])
        (self.folder / f"{self.path(last)}/{self.picture(last)}.dcm").write_text(f"{PLANTED} is no picture of {last}")
        (self.folder / f"{self.path(second)}.txt").write_bytes(f"FINDINGS: {PLANTED} {WORD} ".encode() + b"\xff\xfe\xfa")


def _report(patient: str, number: int) -> str:
    findings = f"{WORD} of {PLANTED} Smith, MRN {patient}, measures {number} mm on 11/06/1847. {WORD} is seen again by Dr. {PLANTED}."
    return f" FINAL REPORT\n EXAMINATION:  CHEST of {PLANTED}\n \n FINDINGS: \n \n {findings}\n \n IMPRESSION: \n \n {findings}\n"


def _findings(number: int) -> list[str]:
    return [str(float(number >> bit & 1)) for bit in range(len(COLUMNS))]
