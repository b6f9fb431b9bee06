"""ARCH (Gamper and Rajpoot 2021): figures of textbooks and articles on pathology."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from hashlib import blake2b
from typing import Literal, get_args

from concord.data.benchmarks.rows import json_table
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import files_by_name
from concord.data.medical.several import numbered, text_of
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage

Part = Literal["books_set", "pubmed_set"]
SUFFIXES = (".png", ".jpg", ".jpeg")

logger = logging.getLogger(__name__)


class ARCH(Layout):
    """`books_set/captions.json`, an object of `{figure_id, letter, caption, uuid}` by number, beside `books_set/images/UUID.png`;
    `pubmed_set` likewise, without figures and letters and with .jpg files too.

    Pictures of one figure share its caption: they are one study, and whatever shares a caption is one patient, as there is nothing
    else that tells what belongs together. There is no split; `patient_split` makes one. Captions without a picture, of which the
    published books have 35, are left out, with a warning that counts them. The letter of a panel is burnt into its picture.

    texts: `caption`. known: `part`, and of books `letter`, "Single" for a figure of one panel.

    Args:
        path: the folder that holds the parts.
        parts: which ones; None takes both.

    Raises:
        ValueError: for no part, and for one that there is not.
    """

    name = "arch"
    modality = "histology"

    def __init__(self, path: str, parts: list[Part] | None = None) -> None:
        self._parts = get_args(Part) if parts is None else tuple(parts)
        if not self._parts or not set(self._parts) <= set(get_args(Part)):
            raise ValueError(f"parts must be some of {', '.join(get_args(Part))}, got {parts}")
        self.root = path

    def exams(self, storage: Storage) -> Iterator[Exam]:
        for part in self._parts:
            files = files_by_name(below(self.root, f"{part}/images"), SUFFIXES, storage)
            missing = 0
            for _, row in json_table(storage, below(self.root, f"{part}/captions.json")):
                caption, file = text_of(row.cells.get("caption")), files.get(row.text("uuid"))
                figure = row.name("figure_id") if row.cells.get("figure_id") is not None else ""
                letter = text_of(row.cells.get("letter"))
                if file is None:
                    missing += 1
                    continue
                bag = blake2b(" ".join(caption.lower().split()).encode(), digest_size=8).hexdigest() if caption else file
                known = {"part": part, **({"letter": letter} if letter else {})}
                yield Exam(f"{part}/images/{file}", bag, study=figure, texts=numbered("caption", [caption]), known=known)
            if missing:
                logger.warning("%s: %d captions of %s are left out, as their picture is missing", self.name, missing, part)
