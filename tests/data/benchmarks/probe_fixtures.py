"""Tiny data sets for probes and for tests of text towers, where conf/test and the suite of probes look for them.

`FIXTURES` has one function per file of conf/test.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image

from tests.data.samples import write_tar

Fixture = Callable[[Path], None]

CLASSES = 7
EACH = 3
"""Training examples of a class."""

SENTENCES = [
    ("A man plays a guitar.", "A man is playing, on a guitar.", 4.8),
    ("A girl is brushing her hair.", 'There is no girl brushing her "hair".', 3.2),
    ("Two dogs run in the snow.", "Dogs run through snow.", 4.1),
    ("A plane takes off.", "A woman cuts an onion.", 0.0),
    ("The cat sleeps.", "The cat sleeps.", 5.0),
]


def picture(name: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(crc32(name.encode())).integers(0, 256, (10, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def train_and_test(root: Path, key: str) -> None:
    """CLIP_benchmark's layout with two splits; what another fixture wrote of it stays."""
    folder = root / f"wds_{key}_test"
    _split(folder, "train", CLASSES * EACH)
    if not (folder / "classnames.txt").exists():
        _split(folder, "test", CLASSES)
        (folder / "classnames.txt").write_text("".join(f"class {number}\n" for number in range(CLASSES)))
        (folder / "zeroshot_classification_templates.txt").write_text("a photo of a {c}.\n")


def _split(folder: Path, split: str, count: int) -> None:
    members = [
        (f"s{number:07d}.{suffix}", content)
        for number in range(count)
        for suffix, content in (("webp", picture(f"{folder.name}/{split}/{number}")), ("cls", str(number % CLASSES)))
    ]
    write_tar(folder / split / "0.tar", members)
    (folder / split / "nshards.txt").write_text("1\n")


def probed(root: Path) -> None:
    """One's own data, and those of the suite of probes."""
    for key in ("mine", *(f"vtab-{name}" for name in ("caltech101", "cifar100", "dtd", "eurosat", "flowers", "pets"))):
        train_and_test(root, key)


def split_folders(root: Path) -> None:
    for split, count in (("train", EACH), ("test", 1)):
        for name in ("cat", "dog"):
            for number in range(count):
                file = root / "my_split_folder" / split / name / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(picture(f"{split}/{name}/{number}"))


def captioned(root: Path) -> None:
    folder = root / "retrieval"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption"])
        for number in range(6):
            (folder / f"{number}.png").write_bytes(picture(str(number)))
            rows.writerow([f"{number}.png", f"picture {number} shows a red circle, and a green square below it"])


def mteb(root: Path, folder: str) -> None:
    """As the Massive Text Embedding Benchmark publishes pairs of sentences."""
    file = root / "sts" / folder / "test.jsonl.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"split": "test", "sentence1": a, "sentence2": b, "score": score}) for a, b, score in SENTENCES]
    file.write_bytes(gzip.compress("\n".join(lines).encode()))


def sentences(root: Path) -> None:
    file = root / "sts/sentences.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("sentence1", "sentence2", "score"), *SENTENCES])


FIXTURES: dict[str, Fixture] = {
    "diagnostics": captioned,
    "few_shot": partial(train_and_test, key="mine"),
    "knn": partial(train_and_test, key="mine"),
    "linear_probe": probed,
    "linear_probe_folder": split_folders,
    "sick_r": partial(mteb, folder="sickr"),
    "stsb": partial(mteb, folder="stsbenchmark"),
    "sts": sentences,
    "text_order": captioned,
}
