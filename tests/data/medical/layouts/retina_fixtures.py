"""Retinas with labels and reports, tiny: FLAIR's tables and FFA-IR. All reports are invented."""

from __future__ import annotations

import json
from pathlib import Path

from concord.data.medical import Exam
from concord.data.medical.text import LabelCaptions
from tests.data.benchmarks.classification.drawn import write_csv, write_text
from tests.data.medical.layouts.files import key_of
from tests.data.medical.layouts.literature_fixtures import ALL
from tests.data.named_sets import Named, put

FLAIR_TABLES = {
    "01_EYEPACS": [("01_EYEPACS/train/90001_left.jpeg", "[]", ["no diabetic retinopathy"])],
    "08_ODIR-5K": [
        ("08_ODIR-5K/preprocessed_images/900_left.jpg", "[]", ["cataract"]),
        ("08_ODIR-5K/preprocessed_images/900_right.jpg", "['low quality']", ["cataract", "drusen"]),
        ("08_ODIR-5K/preprocessed_images/901_right.jpg", "[]", ["a scar beside the fovea, seen for years"]),
    ],
}
"""By table its pictures, attributes and categories."""

FLAIR_IMAGES = [image for rows in FLAIR_TABLES.values() for image, *_ in rows]


def write_flair(root: Path) -> None:
    for name, rows in FLAIR_TABLES.items():
        listed = [(number, image, attributes, str(categories)) for number, (image, attributes, categories) in enumerate(rows)]
        write_csv(root / f"dataframes/{name}.csv", ["", "image", "atributes", "categories"], listed)
    put(root, FLAIR_IMAGES)


def flair(folder: Path) -> Named:
    write_flair(folder)
    sentences = LabelCaptions("fundus", missing="name")
    rows = [row for rows in FLAIR_TABLES.values() for row in rows]
    said = [sentences(Exam(image, "", findings=(1,) * len(categories)), {}, categories) for image, _, categories in rows]
    return Named(folder, {image: [(text, "label") for text in texts] for image, texts in zip(FLAIR_IMAGES, said, strict=True)}, ALL)


CASES = {"train": {"90001": 11, "90002": 2}, "val": {"90003": 1}, "test": {"90004": 3}}
"""By part how many pictures each case has."""


def report(case: str) -> dict[str, str]:
    return {"En_Report": f"Late leakage at the macula of case {case}.", "Ch_Report": "黄斑区晚期渗漏。"}


def write_ffa_ir(root: Path) -> None:
    document = {
        part: {case: {**report(case), "Image_path": [f"{case}/{n}.jpg" for n in range(1, count + 1)]} for case, count in cases.items()}
        for part, cases in CASES.items()
    }
    write_text(root / "ffair_annotation.json", [json.dumps(document)])
    put(root / "FFAIR", [f"{case}/{n}.jpg" for cases in CASES.values() for case, count in cases.items() for n in range(1, count + 1)])


def ffa_ir(folder: Path) -> Named:
    write_ffa_ir(folder)
    kept = [("90001", number) for number in (2, 5, 7, 10)] + [("90002", number) for number in (1, 2)]
    examples = {key_of("ffa_ir", f"{case}/{number}.jpg"): [(report(case)["En_Report"], "report")] for case, number in kept}
    return Named(folder, examples, ["data.source.layout.frames=4"])


NAMED = {"ffa_ir": ffa_ir, "flair": flair}
