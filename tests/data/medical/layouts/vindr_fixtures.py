"""VinDr-CXR: PhysioNet's tables with a row per radiologist, and Kaggle's with a row per box."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts.grey import write_dicom

COLUMNS = [
    *("Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Clavicle fracture", "Consolidation", "Edema", "Emphysema"),
    *("Enlarged PA", "ILD", "Infiltration", "Lung Opacity", "Lung cavity", "Lung cyst", "Mediastinal shift", "Nodule/Mass"),
    *("Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis", "Rib fracture", "Other lesion", "COPD"),
    *("Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases", "No finding"),
]

READ = [
    [["Cardiomegaly", "Other diseases"], ["Cardiomegaly"], ["Pleural effusion"]],
    [["No finding"], ["No finding"], ["Edema"]],
    [["Tuberculosis", "Pneumonia"], ["Tuberculosis"], ["Tuberculosis", "Other diseases"]],
    [["No finding"], ["Pneumonia"], ["Pneumonia"]],
]
"""By picture of the training part, what each of its three radiologists found."""

AGREED = [["Cardiomegaly", "Tuberculosis"], ["No finding"], ["Other diseases"], ["Pneumonia"], ["Other diseases", "Cardiomegaly"]]
"""By picture of the test part, what five of them agreed on."""

BOXES = [
    [["Cardiomegaly", "Cardiomegaly"], ["Cardiomegaly", "Nodule/Mass"], ["No finding"]],
    [["No finding"], ["No finding"], ["Infiltration"]],
    [["ILD"], ["ILD", "Infiltration"], ["ILD"]],
]
NUMBERED = [
    *("Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "ILD", "Infiltration", "Lung Opacity"),
    *("Nodule/Mass", "Other lesion", "Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis", "No finding"),
]


def image_of(part: str, number: int) -> str:
    return f"{'ab'[part == 'test'] * 28}{9000 + number}"


def vindr_cxr(root: Path) -> None:
    folder = root / "vindr-cxr"
    rows = [
        [image_of("train", number), f"R{9 + reader}", *(int(column in found) for column in COLUMNS)]
        for number, readers in enumerate(READ)
        for reader, found in enumerate(readers)
    ]
    write_csv(folder / "annotations/image_labels_train.csv", ["image_id", "rad_id", *COLUMNS], rows[::-1])
    agreed = [[image_of("test", number), *(int(column in found) for column in COLUMNS)] for number, found in enumerate(AGREED)]
    header = ["image_id", *(column if column != "Other diseases" else "Other disease" for column in COLUMNS)]
    write_csv(folder / "annotations/image_labels_test.csv", header, agreed)
    for part, count in (("train", len(READ)), ("test", len(AGREED))):
        for number in range(count):
            write_dicom(folder / f"{part}/{image_of(part, number)}.dicom")


def vindr_kaggle(root: Path) -> None:
    folder = root / "vindr-kaggle"
    header = ["image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max"]
    rows = []
    for number, readers in enumerate(BOXES):
        for reader, found in enumerate(readers):
            for name in found:
                box = ["", "", "", ""] if name == "No finding" else [10, 20, 30, 40]
                rows.append([image_of("train", number), name, NUMBERED.index(name), f"R{9 + reader}", *box])
        write_dicom(folder / f"train/{image_of('train', number)}.dicom")
    write_csv(folder / "train.csv", header, rows)


FIXTURES: dict[str, Callable[[Path], None]] = {"vindr_cxr": vindr_cxr, "vindr_kaggle": vindr_kaggle}
