"""Pieces that the fixtures of medical data sets share."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from concord.data.medical import Exam, Layout
from concord.data.medical.keys import keyed
from concord.data.medical.text import LabelCaptions
from concord.data.storage.storage import Storage
from tests.data.benchmarks.classification.drawn import write_csv
from tests.data.named_sets import jpeg

FOURTEEN = [
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
]
"""The findings in CheXpert's order; MIMIC-CXR has them by the alphabet."""

FIVE = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]


def put_file(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def put_jpegs(root: Path, names: Iterable[str]) -> None:
    """A picture of one shade for each name; later ones are brighter."""
    for number, name in enumerate(names):
        put_file(root / name, jpeg(9 * number))


def write_gzip_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    plain = file.with_suffix("")
    write_csv(plain, header, rows)
    file.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()


def read_gzip_csv(file: Path) -> list[list[str]]:
    return list(csv.reader(gzip.decompress(file.read_bytes()).decode().splitlines()))


def cells_of(found: dict[str, Any], columns: Sequence[str] = FOURTEEN) -> list[Any]:
    """A row of findings; empty where nothing is said."""
    return [found.get(column, "") for column in columns]


def exams_of(layout: Layout) -> list[Exam]:
    return list(layout.exams(Storage()))


def key_of(name: str, image: str) -> str:
    """The key of a picture in a guarded data set."""
    return keyed(f"{name}/{image}")


def phrased(*findings: str) -> list[tuple[str, str]]:
    """The captions of a radiograph with these findings and no other."""
    made = LabelCaptions("chest_radiograph")(Exam("", "", findings=(1,) * len(findings)), {}, findings)
    return [(caption, "label") for caption in made]
