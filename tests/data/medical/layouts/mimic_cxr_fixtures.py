"""MIMIC-CXR, tiny, in the folders of its two releases, with invented reports."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.dicoms import dicom_bytes
from tests.data.medical.layouts.files import FOURTEEN, cells_of, key_of, put_file, put_jpegs, read_gzip_csv, write_gzip_csv
from tests.data.medical.layouts.one_finding_fixtures import mimic_train
from tests.data.named_sets import Named

JPG, DICOM = "mimic-cxr-jpg", "mimic-cxr"


class Picture(NamedTuple):
    patient: str
    study: str
    view: str
    split: str

    def name(self, number: int) -> str:
        return "-".join(f"{number:04x}{group:04x}" for group in range(5))

    def path(self, number: int, suffix: str = ".jpg") -> str:
        return f"files/p{self.patient[:2]}/p{self.patient}/s{self.study}/{self.name(number)}{suffix}"


PICTURES = [
    Picture("10000099", "50000111", "PA", "train"),
    Picture("10000099", "50000111", "LATERAL", "train"),
    Picture("10000099", "50000112", "", "train"),
    Picture("10000199", "50000113", "AP", "train"),
    Picture("10000299", "50000114", "AP", "validate"),
    Picture("10000399", "50000115", "PA", "test"),
    Picture("10000399", "50000115", "LL", "test"),
    Picture("10000399", "50000116", "AP", "test"),
    Picture("10000499", "50000117", "PA", "test"),
    Picture("10000499", "50000118", "PA", "test"),
]

IMPRESSIONS = {
    "50000111": "Mild cardiomegaly without edema.",
    "50000112": "Small left pleural effusion.",
    "50000113": "Right basal atelectasis is new.",
    "50000114": "No acute process seen.",
    "50000115": "Consolidation of the left lower lobe.",
    "50000116": "Moderate pulmonary edema on both sides.",
    "50000117": "Large right pleural effusion.",
    "50000118": "Clear lungs on both sides.",
}

LABELS = {
    "50000111": {"Cardiomegaly": "1.0", "Edema": "0.0"},
    "50000112": {"Pleural Effusion": "1.0", "Lung Opacity": "-1.0"},
    "50000113": {"Atelectasis": "-1.0"},
    "50000115": {"Consolidation": "1.0", "Lung Opacity": "1.0"},
    "50000116": {"Edema": "1.0"},
}

LISTS = [f"mimic-cxr-2.0.0-{name}.csv.gz" for name in ("split", "metadata", "chexpert")]

METADATA = [
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
]


def report(impression: str) -> str:
    """As the files are written: every line begins with a space."""
    return f""" FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)
 \n INDICATION:  ___F with cough  // rule out pneumonia
 \n FINDINGS: \n \n The lungs are described here in a sentence that is no
 impression.
 \n IMPRESSION: \n \n {impression}
"""


ABOUT = [2544, 3056, 21800506, 213014.531, "CHEST (PA AND LAT)", "postero-anterior", "Erect"]


def write_lists(folder: Path) -> None:
    """Of MIMIC-CXR-JPG: the split, metadata, and three lists of labels with columns by the alphabet."""
    split = [[picture.name(number), picture.study, picture.patient, picture.split] for number, picture in enumerate(PICTURES)]
    write_gzip_csv(folder / "mimic-cxr-2.0.0-split.csv.gz", ["dicom_id", "study_id", "subject_id", "split"], split)
    metadata = [
        [picture.name(number), picture.patient, picture.study, "CHEST (PA AND LAT)", picture.view, *ABOUT]
        for number, picture in enumerate(PICTURES)
    ]
    write_gzip_csv(folder / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA, metadata)
    columns = sorted(FOURTEEN)
    patients = {picture.study: picture.patient for picture in PICTURES}
    labels = [[patients[study], study, *cells_of(found, columns)] for study, found in LABELS.items()]
    write_gzip_csv(folder / "mimic-cxr-2.0.0-chexpert.csv.gz", ["subject_id", "study_id", *columns], labels)
    write_gzip_csv(folder / "mimic-cxr-2.0.0-negbio.csv.gz", ["subject_id", "study_id", *columns], labels[:1])


def write_radiologist(folder: Path) -> None:
    """Labels of two studies of the test part, without patients, and with Airspace Opacity for Lung Opacity."""
    columns = ["Airspace Opacity" if column == "Lung Opacity" else column for column in sorted(FOURTEEN)]
    found = {
        "50000115": dict.fromkeys(columns, 0.0) | {"Consolidation": 1.0, "Airspace Opacity": 1.0, "Atelectasis": 1.0},
        "50000116": dict.fromkeys(columns, 0.0) | {"Edema": 1.0, "Cardiomegaly": 1.0},
        "50000117": dict.fromkeys(columns, 0.0) | {"Pleural Effusion": 1.0},
    }
    rows = [[study, *cells_of(cells, columns)] for study, cells in found.items()]
    write_csv(folder / "mimic-cxr-2.1.0-test-set-labeled.csv", ["study_id", *columns], rows)


def write_reports(folder: Path, impressions: dict[str, str]) -> None:
    for picture in PICTURES:
        file = f"files/p{picture.patient[:2]}/p{picture.patient}/s{picture.study}.txt"
        put_file(folder / file, report(impressions[picture.study]).encode())


def write_jpg(root: Path, impressions: dict[str, str] = IMPRESSIONS) -> None:
    """The pictures of MIMIC-CXR-JPG and the reports of MIMIC-CXR below a folder."""
    put_jpegs(root / JPG, [picture.path(number) for number, picture in enumerate(PICTURES)])
    write_lists(root / JPG)
    write_radiologist(root / JPG)
    write_reports(root / DICOM, impressions)


def write_dicom(root: Path) -> None:
    """The pictures and reports of MIMIC-CXR, and the lists of MIMIC-CXR-JPG alone."""
    for number, picture in enumerate(PICTURES):
        pixels = np.full((24, 24), 400 * number, dtype=np.uint16)
        pixels[-1, -2:] = (0, 4095)  # so that what is scaled by its own range differs too
        content = dicom_bytes(pixels, window=(2048, 4096), bits_stored=12, patient_id=f"p{picture.patient}", ViewPosition=picture.view)
        put_file(root / DICOM / picture.path(number, ".dcm"), content)
    write_lists(root / JPG)
    write_reports(root / DICOM, IMPRESSIONS)


def frontal(split: str, suffix: str = ".jpg") -> dict[str, str]:
    """By key the study of each frontal picture of a part."""
    return {
        key_of("mimic_cxr", picture.path(number, suffix)): picture.study
        for number, picture in enumerate(PICTURES)
        if picture.split == split and picture.view in ("PA", "AP")
    }


def named_jpg(folder: Path) -> Named:
    write_jpg(folder)
    return Named(folder, {key: [(IMPRESSIONS[study], "report")] for key, study in frontal("train").items()})


def named_dicom(folder: Path) -> Named:
    write_dicom(folder)
    return Named(folder, {key: [(IMPRESSIONS[study], "report")] for key, study in frontal("train", ".dcm").items()})


NAMED = {"mimic_cxr": named_dicom, "mimic_cxr_jpg": named_jpg}


def benchmarks(root: Path, impressions: dict[str, str] = IMPRESSIONS) -> None:
    """What all tests on MIMIC-CXR find in their one folder: these pictures, and those that 5x200 is drawn from."""
    mimic_train(root)
    drawn = {name: read_gzip_csv(root / JPG / name) for name in LISTS}
    for _, study, patient, _ in drawn[LISTS[0]][1:]:
        put_file(root / DICOM / f"files/p{patient[:2]}/p{patient}/s{study}.txt", report(f"Finding number {study} is seen.").encode())
    write_jpg(root, impressions)
    for name, (header, *rows) in drawn.items():
        own = read_gzip_csv(root / JPG / name)
        own_rows = [dict(zip(own[0], row, strict=True)) for row in own[1:]]
        write_gzip_csv(root / JPG / name, header, [*rows, *([row[column] for column in header] for row in own_rows)])


FIXTURES = {
    "mimic_5x200_built": benchmarks,
    "mimic_5x200_retrieval": benchmarks,
    "mimic_cxr": benchmarks,
    "mimic_retrieval": benchmarks,
    "mimic_retrieval_shared": partial(benchmarks, impressions={**IMPRESSIONS, "50000118": IMPRESSIONS["50000117"]}),
}
