"""SVO-Probes and ComVG: a sentence, a picture that shows it, and one in which the subject, the verb or the object differs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, images_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, csv_rows
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.items import Item

logger = logging.getLogger(__name__)

FLAGS = {"subject": "subj_neg", "verb": "verb_neg", "object": "obj_neg"}
By = Literal["all", "part"]


class SVOProbes(Questions):
    """Which of two pictures shows a sentence (Hendricks and Nematzadeh 2021, https://arxiv.org/abs/2106.09141).

    File: svo_probes.csv with sentence, pos_triplet, neg_triplet, pos_url, neg_url, pos_image_id, neg_image_id, subj_neg, verb_neg,
    obj_neg. Pictures have to be downloaded as IMAGE_ID.jpg; many of the addresses lead nowhere any more, so that questions are
    left out and counted. As the authors do, questions of which not exactly one part differs are left out too.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the CSV file below it.
        images: the folder of pictures below it, or anywhere.
        by: what the subsets are: "all", the whole test; or "part", what differs (subject, verb, object).
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "svo_probes.csv",
        images: str = "images",
        by: By = "all",
        name: str = "svo_probes",
        missing: Missing = "skip",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        file = below(path, annotations)
        super().__init__(pictures, _svo(file, by, pictures, storage), file, missing)


class ComVG(Questions):
    """As `SVOProbes`, with photographs of Visual Genome (Jiang et al. 2024, https://arxiv.org/abs/2211.13854).

    File: ComVG.csv with id, sentence, pos_triplet, neg_triplet, pos_image_id, neg_image_id, neg_value, sentence_id; photographs as
    IMAGE_ID.jpg. The unit of an item is its sentence.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the CSV file below it.
        images: the folder of pictures below it, or anywhere.
        by: what the subsets are: "all", the whole test; or "part", what differs (subject, verb, object).
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "ComVG.csv",
        images: str = "images",
        by: By = "all",
        name: str = "comvg",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        file = below(path, annotations)
        columns = ("id", "sentence", "pos_image_id", "neg_image_id", "neg_value", "sentence_id")
        items = (
            _item(row, row.name("id"), row.one_of("neg_value", tuple(FLAGS)), by, pictures, row.name("sentence_id"))
            for row in csv_rows(storage, file, columns)
        )
        super().__init__(pictures, items, file, missing)


def _svo(file: str, by: By, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
    unclear = 0
    for number, row in enumerate(csv_rows(storage, file, ("sentence", "pos_image_id", "neg_image_id", *FLAGS.values()))):
        parts = [part for part, column in FLAGS.items() if row.flag(column)]
        if len(parts) == 1:
            yield _item(row, str(number), parts[0], by, pictures)
        else:
            unclear += 1
    if unclear:
        logger.warning("%s: %d questions differ in none or in several of subject, verb and object, and are left out", file, unclear)


def _item(row: Row, key: str, part: str, by: By, pictures: FilePictures, unit: str = "") -> Item | None:
    right, wrong = (pictures.file(f"{row.name(column)}.jpg") for column in ("pos_image_id", "neg_image_id"))
    return images_item(key, row.text("sentence"), [right], [wrong], subset=part if by == "part" else "", unit=unit)
