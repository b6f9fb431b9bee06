"""NegBench's multiple-choice test: captions that say what is not in a picture."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from concord.data.benchmarks.compositional.questions import Missing, Questions, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import csv_rows
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.items import Item

CAPTIONS = ("caption_0", "caption_1", "caption_2", "caption_3")
TEMPLATES = ("positive", "negative", "hybrid")


class NegBench(Questions):
    """One of four captions, which affirm or deny (Alhamoud et al. 2025, https://arxiv.org/abs/2501.09425).

    File: a CSV with image_path, caption_0 to caption_3, correct_answer (0 to 3), correct_answer_template (positive, negative,
    hybrid). Image paths are those of the authors' machine: the last part counts. The subset of an item is its template.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the CSV file below it, such as VOC2007_mcq_llama3.1_rephrased.csv.
        images: the folder of photographs below it, or anywhere.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "COCO_val_mcq_llama3.1_rephrased.csv",
        images: str = "val2017",
        name: str = "negbench",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        file = below(path, annotations)
        super().__init__(pictures, _choices(file, pictures, storage), file, missing)


def _choices(file: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
    columns = ("image_path", *CAPTIONS, "correct_answer", "correct_answer_template")
    for number, row in enumerate(csv_rows(storage, file, columns)):
        texts = [row.text(column) for column in CAPTIONS]
        right = [texts.pop(row.index("correct_answer", len(CAPTIONS)))]
        image = pictures.file(posixpath.basename(row.text("image_path")))
        yield texts_item(str(number), image, right, texts, subset=row.one_of("correct_answer_template", TEMPLATES))
