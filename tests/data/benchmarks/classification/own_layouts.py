"""Data sets as users bring their own."""

from __future__ import annotations

import json
from pathlib import Path

import datasets

from tests.data.benchmarks.classification.drawn import picture, write_picture, write_text
from tests.data.benchmarks.classification.table_layouts import table


def own_table(root: Path) -> None:
    table(root, "my_table/labels.csv", ["image", "label"], [[f"images/{n}.png", ("cat", "dog")[n % 2]] for n in range(4)], 0, "my_table")


def own_hugging_face(root: Path) -> None:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["tabby_cat", "dog"])})
    rows = {"image": [{"bytes": picture(f"hf/{n}"), "path": None} for n in range(4)], "label": [0, 1, 1, 0]}
    datasets.Dataset.from_dict(rows, features, split="test").save_to_disk(str(root / "my_hugging_face"))


def own_list(root: Path) -> None:
    write_text(root / "my_list/test.txt", [f"images/a picture {number}.jpg {number % 2}" for number in range(4)])
    for number in range(4):
        write_picture(root / f"my_list/images/a picture {number}.jpg")


def split_zhou(root: Path) -> None:
    folder = root / "caltech-101"
    rows = [["ant/image_0001.jpg", 1, "ant"], ["anchor/image_0002.jpg", 0, "anchor"], ["bass/image_0001.jpg", 2, "bass"]]
    folder.mkdir(parents=True)
    (folder / "split_zhou_Caltech101.json").write_text(json.dumps({"train": rows, "val": rows[:1], "test": rows[1:]}))
    for file, _, _ in rows:
        write_picture(folder / "101_ObjectCategories" / file)
