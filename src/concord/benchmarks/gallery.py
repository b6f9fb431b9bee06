"""Examples to look at: what the model answered, with the pictures."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concord.images import decode
from concord.types import RawImage

THUMBNAIL = 128


@dataclass(frozen=True)
class Candidate:
    """One answer: a text or a picture, its score, and whether it is right."""

    label: str | None
    image: RawImage | None
    score: float
    correct: bool


@dataclass(frozen=True)
class GalleryItem:
    """One question and the model's best answers, best first.

    Attributes:
        task: what kind of question: "zero_shot", "image_to_text", "text_to_image", "compositional", "composed", ...
        dataset: name of the reader.
        image, query: the question, a picture or a text.
        truth: right answers in words.
        top: the answers.
    """

    task: str
    dataset: str
    image: RawImage | None
    query: str | None
    truth: list[str]
    top: list[Candidate]


def mixed(order: Sequence[int], right: Sequence[bool], count: int) -> list[int]:
    """So many of the questions in an order, half of them answered wrongly where there are enough of both; sorted.

    Args:
        order: of the questions, a random one.
        right: by question whether it was answered rightly.
        count: how many to show.
    """
    wrong, fine = [place for place in order if not right[place]], [place for place in order if right[place]]
    shown = wrong[: max(count // 2, count - len(fine))]
    return sorted([*shown, *fine[: count - len(shown)]])


def write_gallery(items: Sequence[GalleryItem], folder: Path) -> None:
    """Leave `gallery.json` and PNG thumbnails of at most 128 pixels in a folder; pictures of an earlier gallery go.

    A thumbnail is named after its content, so that a picture that appears twice is one file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.glob("*.png"))
    rows = [_row(item, folder) for item in items]
    partial = folder / "gallery.json.partial"
    partial.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    partial.replace(folder / "gallery.json")
    for path in before - {folder / name for row in rows for name in _pictures(row)}:
        path.unlink()


def _row(item: GalleryItem, folder: Path) -> dict[str, Any]:
    top = [
        {"label": answer.label, "image": _save(answer.image, folder), "score": answer.score, "correct": answer.correct}
        for answer in item.top
    ]
    return {
        "task": item.task,
        "dataset": item.dataset,
        "image": _save(item.image, folder),
        "query": item.query,
        "truth": item.truth,
        "top": top,
    }


def _pictures(row: dict[str, Any]) -> list[str]:
    return [entry["image"] for entry in (row, *row["top"]) if entry["image"] is not None]


def _save(image: RawImage | None, folder: Path) -> str | None:
    if image is None:
        return None
    picture = decode(image).copy()
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    name = hashlib.sha256(buffer.getvalue()).hexdigest()[:16] + ".png"
    path = folder / name
    if not path.exists():
        path.write_bytes(buffer.getvalue())
    return name
