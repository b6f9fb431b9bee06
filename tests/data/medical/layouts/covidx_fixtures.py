"""COVIDx: lists of lines that are split at spaces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.data.benchmarks.classification.drawn import write_picture, write_text

TRAIN = [
    "9001 first picture of 9001.png negative cohen",
    "9002 9002-a.jpg positive cohen",
    "99999999-0000-4000-8000-000000000001 99999999-0000-4000-8000-000000000001.png negative rsna",
    "99999999-0000-4000-8000-000000000002 99999999-0000-4000-8000-000000000002.png negative rnsa",
    "MIDRC-RICORD-1C-999-1 MIDRC-RICORD-1C-999-1-0.png positive ricord",
    "9001 CR.1.2.99999.png positive actmed",
]
NEGATIVES = [f"99999999-0000-4000-8000-00000000001{number}" for number in range(3)]
POSITIVES = [f"MIDRC-RICORD-1C-99{number}-1" for number in range(3)]
TEST = [
    *(f"{name} {name}.png negative {source}" for name, source in zip(NEGATIVES, ("rsna", "rnsa", "rsna"), strict=True)),
    *(f"{name} {name}-0.png positive ricord" for name in POSITIVES),
]


def file_of(line: str) -> str:
    return line.split(maxsplit=1)[1].rsplit(maxsplit=2)[0]


def covidx(root: Path) -> None:
    for part, lines in (("train", TRAIN), ("test", TEST)):
        write_text(root / f"covidx/{part}_COVIDx9B.txt", lines)
        for line in lines:
            write_picture(root / f"covidx/{part}/{file_of(line)}")


FIXTURES: dict[str, Callable[[Path], None]] = {"covidx": covidx}
