"""NegBench's multiple-choice test: captions that say what is not in a picture."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from concord.data.benchmarks.compositional.questions import FileQuestions, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import csv_rows
from concord.data.storage.storage import Storage
from concord.items import Item

CAPTIONS = ("caption_0", "caption_1", "caption_2", "caption_3")
TEMPLATES = ("positive", "negative", "hybrid")


class NegBench(FileQuestions):
    """One of four captions, which affirm or deny (Alhamoud et al. 2025, https://arxiv.org/abs/2501.09425).

    File: a CSV with image_path, caption_0 to caption_3, correct_answer (0 to 3), correct_answer_template (positive, negative,
    hybrid). Image paths are those of the authors' machine: the last part counts. The subset of an item is its template.
    """

    annotations_at = "COCO_val_mcq_llama3.1_rephrased.csv"
    images_at = "val2017"
    called = "negbench"

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        columns = ("image_path", *CAPTIONS, "correct_answer", "correct_answer_template")
        for number, row in enumerate(csv_rows(storage, origin, columns)):
            texts = [row.text(column) for column in CAPTIONS]
            right = [texts.pop(row.index("correct_answer", len(CAPTIONS)))]
            image = pictures.file(posixpath.basename(row.text("image_path")))
            yield texts_item(str(number), image, right, texts, subset=row.one_of("correct_answer_template", TEMPLATES))
