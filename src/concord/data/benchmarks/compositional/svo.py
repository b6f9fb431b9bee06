"""SVO-Probes and ComVG: a sentence, a picture that shows it, and one in which the subject, the verb or the object differs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Literal

from concord.data.benchmarks.compositional.questions import FileQuestions, Missing, images_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, csv_rows
from concord.data.storage.storage import Storage
from concord.items import Item

logger = logging.getLogger(__name__)

FLAGS = {"subject": "subj_neg", "verb": "verb_neg", "object": "obj_neg"}
By = Literal["all", "part"]


class SVOProbes(FileQuestions):
    """Which of two pictures shows a sentence (Hendricks and Nematzadeh 2021, https://arxiv.org/abs/2106.09141).

    File: svo_probes.csv with sentence, pos_triplet, neg_triplet, pos_url, neg_url, pos_image_id, neg_image_id, subj_neg, verb_neg,
    obj_neg. Pictures have to be downloaded as IMAGE_ID.jpg; many of the addresses lead nowhere any more, so that questions are
    left out and counted. As the authors do, questions of which not exactly one part differs are left out too.

    Args:
        by: what the subsets are: "all", the whole test; or "part", what differs (subject, verb, object).
        path, annotations, images, name, missing, storage: see `FileQuestions`.
    """

    annotations_at = "svo_probes.csv"
    called = "svo_probes"

    def __init__(
        self,
        path: str,
        annotations: str | None = None,
        images: str | None = None,
        by: By = "all",
        name: str | None = None,
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        self.by: By = by
        super().__init__(path, annotations, images, name, missing, storage)

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        return _svo(origin, self.by, pictures, storage)


class ComVG(SVOProbes):
    """As `SVOProbes`, with photographs of Visual Genome (Jiang et al. 2024, https://arxiv.org/abs/2211.13854).

    File: ComVG.csv with id, sentence, pos_triplet, neg_triplet, pos_image_id, neg_image_id, neg_value, sentence_id; photographs as
    IMAGE_ID.jpg. The unit of an item is its sentence.
    """

    annotations_at = "ComVG.csv"
    called = "comvg"

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        columns = ("id", "sentence", "pos_image_id", "neg_image_id", "neg_value", "sentence_id")
        for row in csv_rows(storage, origin, columns):
            part = row.one_of("neg_value", tuple(FLAGS))
            yield _item(row, row.name("id"), part, self.by, pictures, row.name("sentence_id"))


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
