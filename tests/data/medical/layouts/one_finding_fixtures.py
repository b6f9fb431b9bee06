"""CheXpert and MIMIC-CXR-JPG with just enough pictures of one finding alone to draw 200 of each, and some that may not be drawn."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.data.benchmarks.classification.drawn import write_csv, write_picture

FIVE = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]
COLUMNS = [
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation"),
    *("Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices"),
]
EACH = 201
"""Pictures of each finding that may be drawn; a patient has two."""


def cells(found: dict[str, str], columns: Sequence[str] = COLUMNS) -> list[str]:
    return [found.get(column, "") for column in columns]


def labelled() -> Iterator[tuple[int, dict[str, str]]]:
    """Numbers of patients, and what is said of one picture each: those that may be drawn, and after them those that may not."""
    for number in range(EACH * len(FIVE)):
        finding = FIVE[number % len(FIVE)]
        other = FIVE[(number + 1) % len(FIVE)]
        yield number // (2 * len(FIVE)) * len(FIVE) + number % len(FIVE), {finding: "1.0"} if number % 2 else {finding: "1.0", other: "0.0"}
    for number, (name, value) in enumerate([("Edema", "1.0"), ("Edema", "-1.0"), ("Fracture", "1.0"), ("Lung Lesion", "-1.0")]):
        yield 900 + number, {"Atelectasis": "1.0", name: value}
    yield 910, {"No Finding": "1.0"}
    yield 911, {}


def chexpert_train(root: Path) -> None:
    """One study a picture, and one lateral picture that would do otherwise."""
    seen: dict[int, int] = {}
    rows: list[list[Any]] = []
    for patient, found in labelled():
        seen[patient] = seen.get(patient, 0) + 1
        path = f"CheXpert-v1.0/train/patient{99000 - patient:05}/study{seen[patient]}/view1_frontal.jpg"
        rows.append([path, "Female", 60, "Frontal", "AP", *cells(found)])
    lateral = rows[0][0].replace("view1_frontal", "view2_lateral")
    rows.append([lateral, "Female", 60, "Lateral", "", *cells({"Atelectasis": "1.0"})])
    write_csv(root / "chexpert/CheXpert-v1.0/train.csv", ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *COLUMNS], rows)
    for row in rows:
        write_picture(root / "chexpert" / row[0])


def mimic_train(root: Path) -> None:
    """One picture a study. The columns of findings stand in the order of the alphabet."""
    metadata, splits, labels = [], [], []
    columns = sorted(COLUMNS)
    for number, (patient, found) in enumerate(labelled()):
        name, subject, study = f"{number:08x}-00000000-00000000-00000000-99999999", 10009000 + patient, 50009000 + number
        splits.append([name, study, subject, "train"])
        metadata.append([name, subject, study, "CHEST (PORTABLE AP)", "AP", 10, 10])
        labels.append([subject, study, *cells(found, columns)])
        write_picture(root / f"mimic-cxr-jpg/files/p{str(subject)[:2]}/p{subject}/s{study}/{name}.jpg")
    shown = ["dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns"]
    write_gzip(root / "mimic-cxr-jpg/mimic-cxr-2.0.0-split.csv.gz", [["dicom_id", "study_id", "subject_id", "split"], *splits])
    write_gzip(root / "mimic-cxr-jpg/mimic-cxr-2.0.0-metadata.csv.gz", [shown, *metadata])
    write_gzip(root / "mimic-cxr-jpg/mimic-cxr-2.0.0-chexpert.csv.gz", [["subject_id", "study_id", *columns], *labels])


def write_gzip(file: Path, rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    file.write_bytes(gzip.compress(text.getvalue().encode()))


FIXTURES: dict[str, Callable[[Path], None]] = {"chexpert_5x200_built": chexpert_train}
