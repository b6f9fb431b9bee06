"""MMVP-VLM: pairs of pictures that CLIP finds alike and DINOv2 does not."""

from __future__ import annotations

from collections.abc import Iterator

from concord.data.benchmarks.compositional.questions import FileQuestions, match_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import csv_rows
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item

FOLDERS = ("MLLM_VLM Images", "MMVP_VLM_Images")
"""As its code spells the folder of images, and as its page does."""


class MMVP(FileQuestions):
    """135 pairs in nine visual patterns (MMVP-VLM; Tong et al. 2024, https://arxiv.org/abs/2401.06209).

    Files: Questions.csv with Question ID, Type, Statement, where two rows that follow each other are a pair whatever their
    numbers; images as TYPE/ID.jpg in "MLLM_VLM Images" or "MMVP_VLM_Images". The text is "a photo of " and the statement. What
    the authors call accuracy is the image score: each text finds its picture. The subset of an item is its type.
    """

    annotations_at = "Questions.csv"
    images_at = ""
    called = "mmvp"

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        rows = list(csv_rows(storage, origin, ("Question ID", "Type", "Statement")))
        if len(rows) % 2:
            raise DataError(f"{rows[-1].place}: it has no partner; two rows that follow each other are a pair")
        for first, second in zip(rows[::2], rows[1::2], strict=True):
            kind = first.text("Type")
            if second.text("Type") != kind:
                raise DataError(f"{second.place}: 'Type' must be that of the row before it, {kind!r}, got {second.text('Type')!r}")
            ids = [row.name("Question ID") for row in (first, second)]
            images = [pictures.file(pictures.first_of([f"{folder}/{kind}/{number}.jpg" for folder in FOLDERS])) for number in ids]
            texts = [f"a photo of {row.text('Statement')}" for row in (first, second)]
            yield match_item("/".join(ids), images, texts, subset=kind)
