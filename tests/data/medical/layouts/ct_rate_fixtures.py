"""CT-RATE, tiny: volumes in NIfTI, reports, labels and metadata, all invented."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np

from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts.files import key_of, put_file
from tests.data.named_sets import Named

EIGHTEEN = [
    "Medical material",
    "Arterial wall calcification",
    "Cardiomegaly",
    "Pericardial effusion",
    "Coronary artery wall calcification",
    "Hiatal hernia",
    "Lymphadenopathy",
    "Emphysema",
    "Atelectasis",
    "Lung nodule",
    "Lung opacity",
    "Pulmonary fibrotic sequela",
    "Pleural effusion",
    "Mosaic attenuation pattern",
    "Peribronchial thickening",
    "Consolidation",
    "Bronchiectasis",
    "Interlobular septal thickening",
]

VOLUMES = {
    "train_99990_a_1.nii.gz": ("Clear lungs. Normal heart.", "Nothing acute in the chest."),
    "train_99990_a_2.nii.gz": ("Clear lungs. Normal heart.", "Nothing acute in the chest."),
    "train_99990_b_1.nii.gz": ("A nodule of 4 mm on the right.", "Not given."),
    "train_99991_a_1.nii.gz": ("Consolidation on the left side.", "Pneumonia on the left."),
    "valid_99992_a_1.nii.gz": ("Emphysema of both upper lobes.", "Emphysema of both lungs."),
}
"""Findings and impression by volume."""


def place_of(name: str) -> str:
    part, patient, scan, _ = name.split("_")
    return f"{part}_fixed/{part}_{patient}/{part}_{patient}_{scan}/{name}"


def volume(number: int) -> bytes:
    """In Hounsfield units, [x, y, z] of [6, 5, 4], each slice denser than the one below it."""
    values = np.broadcast_to(-1000 + 100 * number + 200 * np.arange(4), (6, 5, 4)).astype(np.int16)
    return gzip.compress(nibabel.Nifti1Image(values, np.diag([0.72, 0.72, 1.5, 1.0])).to_bytes())


def write_ct_rate(root: Path) -> None:
    for number, name in enumerate(VOLUMES):
        put_file(root / place_of(name), volume(number))
    for part, reports, labels in (("train", "train", "train"), ("valid", "validation", "valid")):
        own = {name: texts for name, texts in VOLUMES.items() if name.startswith(part)}
        columns = ["VolumeName", "ClinicalInformation_EN", "Technique_EN", "Findings_EN", "Impressions_EN"]
        rows = [[name, "Not given.", "Without contrast.", *texts] for name, texts in own.items()]
        write_csv(root / f"radiology_text_reports/{reports}_reports.csv", columns, rows)
        found = [[name, *(int("nodule" in texts[0] and label == "Lung nodule") for label in EIGHTEEN)] for name, texts in own.items()]
        write_csv(root / f"multi_abnormality_labels/{labels}_predicted_labels.csv", ["VolumeName", *EIGHTEEN], found)
        metadata = [[name, "F", 1, -1024, "[0.72, 0.72]", 1.5] for name in own]
        header = ["VolumeName", "PatientSex", "RescaleSlope", "RescaleIntercept", "XYSpacing", "ZSpacing"]
        write_csv(root / f"metadata/{reports}_metadata.csv", header, metadata)


def named(folder: Path) -> Named:
    """The middle slice of the first reconstruction of each scan."""
    write_ct_rate(folder)
    names = ["train_99990_a_1.nii.gz", "train_99990_b_1.nii.gz", "train_99991_a_1.nii.gz"]
    captions = ["Nothing acute in the chest.", "A nodule of 4 mm on the right.", "Pneumonia on the left."]
    examples = {key_of("ct_rate", f"{place_of(name)}@0.5"): [(text, "report")] for name, text in zip(names, captions, strict=True)}
    return Named(folder, examples, ["data.source.layout.slices=1"])


NAMED = {"ct_rate": named}
