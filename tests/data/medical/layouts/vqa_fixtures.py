"""Visual questions, tiny: VQA-RAD, SLAKE and PathVQA in both of its forms. All questions and answers are invented."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.medical.layouts.files import key_of, put_file, put_jpegs
from tests.data.named_sets import Named, jpeg

ALL = ["data.source.split=all"]
TWO = "data.source.captions.about.phrasings=2"

ORGANS = ["CHEST", "ABD", "HEAD"]
TAKEN = {"CHEST": "plain film x-ray", "ABD": "CT with contrast", "HEAD": "MR - T2 weighted"}


def asked(picture: int, organ: str, question: str, answer: Any, kinds: str, closed: str) -> dict[str, Any]:
    """A record of VQA-RAD."""
    about = {"image_name": f"synpic{99900 + picture}.jpg", "image_organ": organ}
    said = {"question": question, "answer": answer, "answer_type": closed, "question_type": kinds, "phrase_type": "freeform"}
    return {"qid": 10 * picture, **about, **said}


def questions(picture: int) -> list[dict[str, Any]]:
    """What is asked about a picture: its kind, a swallowed coin that every other one shows, and how many there are."""
    organ = ORGANS[picture % 3]
    coin = picture % 2 == 0
    return [
        asked(picture, organ, "What kind of image is this?", TAKEN[organ], "MODALITY", "OPEN"),
        asked(picture, organ, "Is/Are there a swallowed coin?  -yes/no", "Yes" if coin else "no", "PRSE", "CLOSED "),
        asked(picture, organ, "How many coins are there? -open", 1 if coin else 2, "COUNT, ATRIB", "OPEN"),
    ]


def write_vqa_rad(root: Path, pictures: int = 28) -> Path:
    """As published: all questions but the last of each third picture are for training, so that the test shares all of its pictures."""
    rows = [questions(picture) for picture in range(pictures)]
    test = [own.pop() for own in rows[::3]]
    put_jpegs(root / "images", [f"synpic{99900 + picture}.jpg" for picture in range(pictures)])
    put_file(root / "trainset.json", json.dumps([row for own in rows for row in own]).encode())
    put_file(root / "testset.json", json.dumps(test).encode())
    return root


def vqa_rad(folder: Path) -> Named:
    write_vqa_rad(folder, 3)
    said = [
        ["Swallowed coin.", "A radiograph of the chest.", "X-ray image showing the chest."],
        ["No swallowed coin.", "A CT scan of the abdomen.", "Computed tomography image showing the abdomen."],
        ["Swallowed coin.", "An MRI scan of the head.", "Magnetic resonance image showing the head."],
    ]
    return Named(folder, {f"synpic{99900 + number}.jpg": _roles(own) for number, own in enumerate(said)}, [*ALL, TWO])


def _roles(captions: Sequence[str]) -> list[tuple[str, str]]:
    return [(captions[0], "finding"), *((caption, "about") for caption in captions[1:])]


# SLAKE: pictures by part, with questions in two languages, one of knowledge, and masks beside the pictures


def slake_rows(picture: int, location: str, modality: str, said: str) -> list[dict[str, Any]]:
    about = {"img_id": picture, "img_name": f"xmlab{9900 + picture}/source.jpg", "location": location, "modality": modality}
    english = {**about, "q_lang": "en", "base_type": "vqa", "triple": ["vhead", "_", "_"]}
    return [
        # The other language comes first, with less in it.
        {"img_name": about["img_name"], "q_lang": "zh", "question": "这是什么?", "answer": "硬币"},
        {
            **english,
            "qid": 1,
            "question": "Does the picture contain a coin?",
            "answer": said,
            "answer_type": "CLOSED",
            "content_type": "Abnormality",
        },
        {
            **english,
            "qid": 2,
            "question": "What is the scanning plane of this image?",
            "answer": "Transverse Plane",
            "answer_type": "OPEN",
            "content_type": "Plane",
        },
        {
            **english,
            "qid": 3,
            "base_type": "kvqa",
            "question": "What are coins made of?",
            "answer": "Metal",
            "answer_type": "OPEN",
            "content_type": "KG",
        },
    ]


def write_slake(root: Path, middle: str = "validate") -> Path:
    parts = {
        "train": [(0, "Abdomen", "CT", "Yes"), (1, "Chest_lung", "X-Ray", "No")],
        middle: [(2, "Brain", "MRI", "No")],
        "test": [(3, "Neck", "CT", "Yes"), (4, "Abdomen", "MRI", "No")],
    }
    for part, pictures in parts.items():
        put_file(
            root / f"{part}.json", json.dumps([row for picture in pictures for row in slake_rows(*picture)], ensure_ascii=False).encode()
        )
    put_jpegs(root / "imgs", [f"xmlab{9900 + number}/source.jpg" for number in range(5)])
    for number in range(5):
        put_file(root / f"imgs/xmlab{9900 + number}/mask.png", b"no picture")
    return root


def slake(folder: Path) -> Named:
    write_slake(folder)
    said = [
        ["Coin.", "An axial CT scan of the abdomen.", "Axial computed tomography image showing the abdomen."],
        ["No coin.", "A radiograph of the chest lung.", "X-ray image showing the chest lung."],
    ]
    return Named(folder, {f"xmlab{9900 + number}/source.jpg": _roles(own) for number, own in enumerate(said)}, [TWO])


# PathVQA: questions by part about pictures

PATHOLOGY = {
    "train": [(0, "Is necrosis present?", "no"), (0, "What is stained red?", "the coin"), (1, "is necrosis present?", "yes")],
    "val": [(2, "What does this show?", "a coin")],
    "test": [(3, "Is a coin present?", "yes")],
}
PATHOLOGY_SAID = [["No necrosis.", "What is stained red? the coin."], ["Necrosis."]]


def write_path_vqa_json(root: Path) -> Path:
    for part, rows in PATHOLOGY.items():
        listed = [{"image": f"{part}_990{picture}", "question": question, "answer": answer} for picture, question, answer in rows]
        put_file(root / f"qas/{part}/{part}_qa.json", json.dumps(listed).encode())
    named = {picture: f"{part}/{part}_990{picture}.jpg" for part, rows in PATHOLOGY.items() for picture, _, _ in rows}
    put_jpegs(root / "images", [named[picture] for picture in sorted(named)])
    return root


def write_path_vqa(root: Path) -> Path:
    """The hub's copy: the bytes of a picture stand in each of its rows, and the training part has two files."""
    for part, rows in PATHOLOGY.items():
        table = [
            {"image": {"bytes": jpeg(9 * picture), "path": None}, "question": question, "answer": answer}
            for picture, question, answer in rows
        ]
        split = "validation" if part == "val" else part
        (root / "data").mkdir(parents=True, exist_ok=True)
        files = [table[:1], table[1:]] if len(table) > 1 else [table]
        for number, own in enumerate(files):
            pq.write_table(pa.Table.from_pylist(own), root / f"data/{split}-0000{number}-of-0000{len(files)}.parquet")
    return root


def _pathology(folder: Path, images: Sequence[str]) -> Named:
    said = zip(images, PATHOLOGY_SAID, strict=True)
    return Named(folder, {key_of("path_vqa", image): [(caption, "finding") for caption in own] for image, own in said})


NAMED = {
    "vqa_rad": vqa_rad,
    "slake": slake,
    "path_vqa": lambda folder: _pathology(write_path_vqa(folder), ["train/0", "train/2"]),
    "path_vqa_json": lambda folder: _pathology(write_path_vqa_json(folder), ["train/train_9900.jpg", "train/train_9901.jpg"]),
}

FIXTURES: dict[str, Callable[[Path], object]] = dict.fromkeys(
    ("vqa_rad_organ", "vqa_rad_modality", "vqa_rad_answers"), lambda root: write_vqa_rad(root / "vqa_rad")
)
