"""A tiny test of one's own: images with captions in a table, and wrong captions as `task=negatives` writes them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

from tests.data.samples import encode

CAPTIONS = {"one.png": "a red cat on a black sofa", "two.png": "two dogs, to the left of a tree", "three.png": "a small bird"}
NEGATIVES = {
    "one.png": {"swap": ["a black cat on a red sofa"], "shuffle": ["on cat a sofa red black a", "sofa a red on a cat black"]},
    "two.png": {"replace_number": ["three dogs, to the left of a tree"]},
    "three.png": {"shuffle": ["bird a small"]},
}


def write(root: Path) -> None:
    """The files of conf/test/negatives.yaml below the folder of all benchmarks."""
    folder = root / "negatives"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        rows.writerows(CAPTIONS.items())
    for number, name in enumerate(CAPTIONS):
        (folder / name).write_bytes(encode(80 * number))
    lines = [{"key": key, "caption": CAPTIONS[key], "negatives": wrong} for key, wrong in NEGATIVES.items()]
    (folder / "negatives.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def nothing(root: Path) -> None:
    """Painted scenes need no files."""


FIXTURES: dict[str, Callable[[Path], None]] = {"negatives": write, "shapes_objects": nothing}
