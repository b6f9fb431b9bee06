"""SLAKE (Liu et al. 2021): radiographs, CTs and MRIs with questions in English and in Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

from concord.data.benchmarks.rows import Row, json_list
from concord.data.medical.answers import Asked, as_texts, by_picture
from concord.data.medical.depicted import plane_of
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.figures import first_there
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

Tongue = Literal["en", "zh"]

FILES: Mapping[Split, tuple[str, ...]] = {
    "train": ("train.json",),
    "validation": ("validate.json", "validation.json"),
    "test": ("test.json",),
}
"""By part what its list may be called: copies disagree about the middle one."""

MODALITIES = {"ct": "ct", "mri": "mri", "xray": "radiograph"}


class SLAKE(Layout):
    """`train.json`, `validate.json` and `test.json`, lists of questions with `img_name` ("xmlab0/source.jpg"), `location`, `modality`,
    `q_lang`, `base_type` and so on, beside `imgs/xmlab0/`, whose masks are not read.

    An exam is a picture with what was asked about it in one language; questions of the other one are left out before anything else.
    So are questions that ask for medical knowledge (`base_type` kvqa): their answers are not to be seen in the picture. No picture is
    in two of the published parts.

    texts: `question`, `answer`, `question 2`, `answer 2`, ... known: `organ` ("the abdomen"), `plane` where a question tells it, and
    `question_types`, a list per question.

    Args:
        path: the folder.
        language: of the questions. Of those in English alone, sentences can be made.

    Raises:
        ValueError: for another language.
    """

    name = "slake"

    def __init__(self, path: str, language: Tongue = "en") -> None:
        if language not in get_args(Tongue):
            raise ValueError(f"language must be one of {', '.join(get_args(Tongue))}, got {language!r}")
        self.root = below(path, "imgs")
        self._path = path
        self._language = language

    def exams(self, storage: Storage) -> Iterator[Exam]:
        for split, files in FILES.items():
            rows = [row for row in self._rows(storage, files) if row.text("q_lang") == self._language]
            seen = [(row.text("img_name"), row) for row in rows if row.text("base_type") == "vqa"]
            for picture, asked in by_picture(self.name, seen).items():
                yield _exam(picture, asked, split)

    def _rows(self, storage: Storage, files: Sequence[str]) -> Iterator[Row]:
        places = [below(self._path, file) for file in files]
        file = first_there(storage, places)
        if file is None:
            raise DataError(f"{' or '.join(map(without_secrets, places))}: no such file")
        return json_list(storage, file)


def _exam(picture: str, asked: Sequence[Asked], split: Split) -> Exam:
    first, pairs = asked[0][0], [pair for _, pair in asked]
    modality = MODALITIES.get("".join(filter(str.isalnum, first.text("modality"))).lower(), "")
    known = {"organ": f"the {first.text('location').replace('_', ' ').lower()}", "plane": plane_of(pairs)}
    types = [[row.text("content_type")] for row, _ in asked]
    folder = picture.partition("/")[0]
    return Exam(picture, folder, modality=modality, split=split, texts=as_texts(pairs), known={**known, "question_types": types})
