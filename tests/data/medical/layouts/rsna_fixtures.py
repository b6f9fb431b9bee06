"""RSNA Pneumonia: pictures by number, a row per box, the radiologists' class, and the organisers' list of NIH pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts.grey import write_dicom

COUNT = 60
NORMAL, MIDDLE, OPACITY = "Normal", "No Lung Opacity / Not Normal", "Lung Opacity"


def image_of(number: int) -> str:
    return f"99999999-0000-4000-8000-{number:012}"


def detail_of(number: int) -> str:
    return (NORMAL, MIDDLE, OPACITY)[number % 3]


def rsna(root: Path) -> None:
    """60 pictures of 30 patients, a third of each class; those with an opacity have two boxes."""
    folder = root / "rsna"
    boxes, details = [], []
    for number in range(COUNT):
        target = int(detail_of(number) == OPACITY)
        sides = [["10.0", "20.0", "30.0", "40.0"], ["50.0", "20.0", "30.0", "40.0"]] if target else [["", "", "", ""]]
        boxes += [[image_of(number), *side, target] for side in sides]
        details += [[image_of(number), detail_of(number)] for _ in sides]
        write_dicom(folder / f"stage_2_train_images/{image_of(number)}.dcm")
    write_csv(folder / "stage_2_train_labels.csv", ["patientId", "x", "y", "width", "height", "Target"], boxes)
    write_csv(folder / "stage_2_detailed_class_info.csv", ["patientId", "class"], details)
    mapping = [
        {
            "img_id": f"0000{9000 + number // 2}_{number % 2:03}.png",
            "orig_labels": ["No Finding"],
            "subset_img_id": image_of(number),
            "StudyInstanceUID": f"1.2.3.{number}",
            "SeriesInstanceUID": f"1.2.3.{number}.1",
            "SOPInstanceUID": f"1.2.3.{number}.1.1",
        }
        for number in range(COUNT)
    ]
    (folder / "pneumonia-challenge-dataset-mappings_2018.json").write_text(json.dumps(mapping))


FIXTURES: dict[str, Callable[[Path], None]] = {"rsna": rsna}
