"""VQA-RAD (Lau et al. 2018): radiographs, CTs and MRIs with questions that clinicians asked about them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, get_args

from concord.data.benchmarks.rows import Row, json_list
from concord.data.medical.answers import Asked, as_texts, by_picture
from concord.data.medical.depicted import modality_of, plane_of
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.types import ViewPosition

logger = logging.getLogger(__name__)

Label = Literal["organ", "modality"]

FILES = ("trainset.json", "testset.json")
ORGANS = {"HEAD": "the head", "CHEST": "the chest", "ABD": "the abdomen"}
MODALITIES = {"radiograph": "a radiograph", "ct": "a CT scan", "mri": "an MRI scan"}
MISSPELT = {"PRSE": "PRES", "ATRIB": "ATTRIB"}


class VQARAD(Layout):
    """`trainset.json` and `testset.json`, lists of questions with `image_name`, `image_organ`, `question`, `answer`, `answer_type` and
    `question_type`, beside `images/`.

    An exam is a picture with all that was asked about it. The published split is one of questions: all 203 pictures of the test
    questions are in the training questions too, which a line in the log counts again. So it makes no parts here, and `PatientSplit`
    makes them by picture; a model that was trained on some of the pictures must not be judged by the published test questions.
    Nothing tells the patients: at least two pictures (39086, 39088) are of one CT.

    Quirks: types of answers end in spaces, types of questions are misspelt or several, some answers are numbers, questions end in
    "-yes/no" or "-open".

    texts: `question`, `answer`, `question 2`, `answer 2`, ... known: `organ`, `plane` where a question tells it, and
    `question_types`, a list per question. The modality is what the questions and answers say of it, else "".

    Args:
        path: the folder.
        label: what `class_names` and labels are of. With "modality", pictures whose modality no question tells are left out, and
            counted in the log. None: there are no labels.

    Raises:
        ValueError: for another label.
    """

    name = "vqa_rad"

    def __init__(self, path: str, label: Label | None = None) -> None:
        if label is not None and label not in get_args(Label):
            raise ValueError(f"label must be one of {', '.join(get_args(Label))}, or null, got {label!r}")
        self.root = below(path, "images")
        self._files = [below(path, file) for file in FILES]
        self._label = label
        names = {"organ": ORGANS, "modality": MODALITIES}.get(label or "", {})
        self.class_names = list(names.values())

    def exams(self, storage: Storage) -> Iterator[Exam]:
        training, test = ([(row.text("image_name"), row) for row in json_list(storage, file)] for file in self._files)
        self._tell_what_is_shared(training, test)
        exams = [_exam(picture, asked) for picture, asked in by_picture(self.name, [*training, *test]).items()]
        if self._label is None:
            return iter(exams)
        untold = sum(self._class(exam) == "" for exam in exams)
        if untold:
            logger.info("%s: %d of %d pictures are left out, as no question tells their %s", self.name, untold, len(exams), self._label)
        labels = {name: label for label, name in enumerate(["", *self.class_names], start=-1)}
        return (replace(exam, label=labels[self._class(exam)]) for exam in exams if self._class(exam))

    def _class(self, exam: Exam) -> str:
        """The name of its class; "" where nothing tells it."""
        return exam.known["organ"] if self._label == "organ" else MODALITIES.get(exam.modality, "")

    def _tell_what_is_shared(self, training: Sequence[tuple[str, Row]], test: Sequence[tuple[str, Row]]) -> None:
        asked, tested = ({picture for picture, _ in rows} for rows in (training, test))
        logger.info(
            "%s: %d of the %d pictures of its %d test questions are also in its %d training questions; parts are made by picture",
            *(self.name, len(tested & asked), len(tested), len(test), len(training)),
        )


def _exam(picture: str, asked: Sequence[Asked]) -> Exam:
    pairs = [pair for _, pair in asked]
    modality, plane = modality_of(pairs), plane_of(pairs)
    view: ViewPosition = "PA" if plane == "PA" else "AP" if plane == "AP" else ""
    known = {"organ": ORGANS[asked[0][0].one_of("image_organ", list(ORGANS))], "plane": plane}
    types = [_types(row.text("question_type")) for row, _ in asked]
    return Exam(picture, picture, view=view, modality=modality, texts=as_texts(pairs), known={**known, "question_types": types})


def _types(text: str) -> list[str]:
    names = [name.strip().upper() for name in text.split(",")]
    return [MISSPELT.get(name, name) for name in names if name]
