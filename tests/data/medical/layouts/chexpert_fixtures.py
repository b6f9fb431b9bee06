"""CheXpert, tiny, as its archives are unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.medical.layouts.files import FOURTEEN, cells_of, key_of, phrased, put_jpegs
from tests.data.named_sets import Named

RELEASE = "CheXpert-v1.0"
HEADER = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *FOURTEEN]

Row = tuple[str, str, str, dict[str, Any]]

TRAIN: list[Row] = [
    ("patient99990/study1/view1_frontal.jpg", "Frontal", "AP", {"No Finding": 1.0}),
    ("patient99990/study1/view2_lateral.jpg", "Lateral", "", {"No Finding": 1.0}),
    ("patient99990/study2/view1_frontal.jpg", "Frontal", "PA", {"Atelectasis": -1.0, "Edema": -1.0, "Cardiomegaly": -1.0, "Fracture": 1.0}),
    ("patient99991/study1/view1_frontal.jpg", "Frontal", "LL", {"Pleural Effusion": 1.0, "Consolidation": -1.0}),
]

VALID: list[Row] = [
    (
        f"patient{99980 + number}/study1/view1_frontal.jpg",
        "Frontal",
        "AP",
        {column: float((number + place) % 3 == 0) for place, column in enumerate(FOURTEEN)},
    )
    for number in range(6)
]

TEST = {f"patient{99970 + number}/study1": {column: (number + place) % 2 for place, column in enumerate(FOURTEEN)} for number in range(6)}


def write_part(folder: Path, part: str, rows: Sequence[Row], release: str = RELEASE) -> None:
    """Pictures and their list; its paths begin with the name of the archive."""
    put_jpegs(folder / part, [path for path, *_ in rows])
    listed = [[f"{release}/{part}/{path}", "Female", 61, frontal, view, *cells_of(found)] for path, frontal, view, found in rows]
    write_csv(folder / f"{part}.csv", HEADER, listed)


def write_test(folder: Path) -> None:
    """The list of studies is in another order than the folders; one study has two pictures."""
    names = [f"{study}/view1_frontal.jpg" for study in TEST]
    put_jpegs(folder / "test", [*names, "patient99970/study1/view2_lateral.jpg"])
    rows = [[f"CheXpert-v1.0/test/{study}", *cells_of(found)] for study, found in reversed(TEST.items())]
    write_csv(folder / "groundtruth.csv", ["Study", *FOURTEEN], rows)


def write_chexpert(root: Path) -> None:
    """The archive of training and validation, and the one of the test part."""
    write_part(root / RELEASE, "train", TRAIN)
    write_part(root / RELEASE, "valid", VALID)
    write_test(root / "CheXpert")


def named(folder: Path) -> Named:
    """Captions are made of what is there; what is uncertain and what is not mentioned is left out."""
    write_chexpert(folder)
    images = [f"{RELEASE}/train/{path}" for path, frontal, *_ in TRAIN if frontal == "Frontal"]
    findings = ["no finding", "fracture", "pleural effusion"]
    return Named(folder, {key_of("chexpert", image): phrased(finding) for image, finding in zip(images, findings, strict=True)})


NAMED = {"chexpert": named}

FIXTURES = {
    "chexpert": lambda root: write_part(root / "chexpert" / RELEASE, "valid", VALID),
    "chexpert_test": lambda root: write_test(root / "chexpert/CheXpert"),
}
