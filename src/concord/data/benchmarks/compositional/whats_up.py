"""What'sUp: where one object is relative to another, in photographs taken for it and in those of COCO and GQA."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_list, json_tuples
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item

WhatsUpSubset = Literal["A", "B"]
SpatialSubset = Literal["coco_one", "coco_two", "gqa_one", "gqa_two"]

CONTROLLED: dict[WhatsUpSubset, str] = {"A": "controlled_images_dataset.json", "B": "controlled_clevr_dataset.json"}
QUESTIONS: dict[SpatialSubset, str] = {
    "coco_one": "coco_qa_one_obj.json",
    "coco_two": "coco_qa_two_obj.json",
    "gqa_one": "vg_qa_one_obj.json",
    "gqa_two": "vg_qa_two_obj.json",
}
PAIRS = {
    "left_of": "left-right",
    "right_of": "left-right",
    "on": "on-under",
    "under": "on-under",
    "in-front_of": "front-behind",
    "behind": "front-behind",
}
_PLACED = re.compile(rf"(.+?)_({'|'.join(PAIRS)})_(.+)\.\w+")
_BETWEEN = re.compile(r"\b(?:(left|right|front|top) of|(above|below|behind))\b")


class WhatsUp(Questions):
    """Four positions of the same two objects (subsets A and B of What'sUp; Kamath et al. 2023, https://arxiv.org/abs/2310.19785).

    Files: controlled_images_dataset.json (A) and controlled_clevr_dataset.json (B), lists of {image_path, caption_options} of
    which the first is right. Of an image path the last two parts count, such as controlled_images/mug_on_table.jpeg. Objects and
    position stand in the name. The group of an item is what has to be right together: the four pictures of two objects, or two
    opposite positions of them.

    Args:
        path: the folder of the test, local or behind a URL.
        images: the folder of controlled_images and controlled_clevr below it; "" is the folder itself.
        subsets: which parts; null for both.
        together: what a group is: "set", the four pictures; "pair", two opposite ones.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        images: str = "",
        subsets: list[WhatsUpSubset] | None = None,
        together: Literal["pair", "set"] = "set",
        name: str = "whats_up",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        items = (
            _placed(row, subset, together == "set", pictures)
            for subset in subsets or CONTROLLED
            for row in json_list(storage, below(path, CONTROLLED[subset]))
        )
        super().__init__(pictures, items, path, missing)


class SpatialQuestions(Questions):
    """One or two objects of a photograph, and two answers on where they are (COCO-spatial and GQA-spatial of What'sUp).

    Files: coco_qa_one_obj.json, coco_qa_two_obj.json, vg_qa_one_obj.json, vg_qa_two_obj.json: lists of [image id, right text,
    wrong text]. The group of an item is its relation (left, top, behind, ...).

    Args:
        path: the folder of the test, local or behind a URL.
        coco: the folder of COCO val2017 below it, or anywhere.
        gqa: the folder of the photographs of Visual Genome below it, or anywhere.
        subsets: which files; null for all four.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        coco: str = "val2017",
        gqa: str = "vg_images",
        subsets: list[SpatialSubset] | None = None,
        name: str = "whats_up_spatial",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, path, storage)
        super().__init__(pictures, _answers(path, subsets or list(QUESTIONS), coco, gqa, pictures, storage), path, missing)


def _placed(row: Row, subset: str, whole: bool, pictures: FilePictures) -> Item | None:
    path = row.text("image_path")
    folder, name = posixpath.split(path)
    parts = _PLACED.fullmatch(name)
    if parts is None:
        raise DataError(f"{row.place}: {path!r} is not named OBJECT_POSITION_OBJECT; positions: {', '.join(PAIRS)}")
    first, position, second = parts.groups()
    right, *wrong = row.texts("caption_options") or [""]
    image = pictures.file(posixpath.join(posixpath.basename(folder), name))
    group = f"{first}/{second}" if whole else f"{first}/{second}/{PAIRS[position]}"
    return texts_item(f"{subset}/{name}", image, [right], wrong, subset=subset, group=group)


def _answers(
    path: str, subsets: Sequence[SpatialSubset], coco: str, gqa: str, pictures: FilePictures, storage: Storage
) -> Iterator[Item | None]:
    for subset in subsets:
        of_coco = subset.startswith("coco")
        for number, row in enumerate(json_tuples(storage, below(path, QUESTIONS[subset]), ("image", "right", "wrong"))):
            photograph = row.name("image")
            image = pictures.file(below(coco, f"{photograph.zfill(12)}.jpg") if of_coco else below(gqa, f"{photograph}.jpg"))
            text = row.text("right")
            relation = text.rstrip(".").split()[-1] if subset.endswith("one") else _between(text)
            yield texts_item(f"{subset}/{number}", image, [text], [row.text("wrong")], subset=subset, group=relation)


def _between(text: str) -> str:
    """Where one of two objects is, as What'sUp sorts them."""
    found = _BETWEEN.search(text)
    return found[1] or found[2] if found else "other"
