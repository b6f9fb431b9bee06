"""VALSE: captions and foils for linguistic phenomena, checked by annotators."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import json_table
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.items import Item

logger = logging.getLogger(__name__)

ValsePiece = Literal[
    "existence",
    "plurals",
    "counting-hard",
    "counting-small-quant",
    "counting-adversarial",
    "relations",
    "action-replacement",
    "actant-swap",
    "coreference-standard",
    "coreference-hard",
    "foil-it",
]
IMAGES: dict[ValsePiece, str] = {
    "existence": "visual7w",
    "plurals": "coco",
    "counting-hard": "visual7w",
    "counting-small-quant": "visual7w",
    "counting-adversarial": "visual7w",
    "relations": "coco",
    "action-replacement": "swig",
    "actant-swap": "swig",
    "coreference-standard": "visdial",
    "coreference-hard": "visdial",
    "foil-it": "coco",
}
"""The folder of images of each piece, by the data set that they come from; VALSE names file names only."""


class Valse(Questions):
    """A caption against a foil (Parcalabescu et al. 2022, https://arxiv.org/abs/2112.07566).

    Files: data/PIECE.json, an object of {image_file, caption, foil, mturk: {caption, foil, other}, ...}. Questions count that at
    least so many of three annotators found right, as the authors advise. The subset of an item is its piece.

    Args:
        path: the folder of the repository, local or behind a URL.
        images: the folder that holds the folders of images below it, or anywhere.
        folders: by piece, the folder of its images; for those that are not named as in `IMAGES` (visual7w, coco, swig, visdial).
        annotations: the folder of the JSON files below it.
        pieces: which files; null for all eleven.
        votes: annotators who chose the caption and not the foil, at least; 0 keeps every question.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        ValueError: for votes outside [0, 3].
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        images: str = "images",
        folders: dict[str, str] | None = None,
        annotations: str = "data",
        pieces: list[ValsePiece] | None = None,
        votes: int = 2,
        name: str = "valse",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        if not 0 <= votes <= 3:
            raise ValueError(f"votes must lie in [0, 3], got {votes}")
        if unknown := set(folders or {}) - set(IMAGES):
            raise ValueError(f"folders must name pieces ({', '.join(IMAGES)}), got {', '.join(sorted(unknown))}")
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        where = {piece: (folders or {}).get(piece, folder) for piece, folder in IMAGES.items()}
        folder = below(path, annotations)
        items = (
            item
            for piece in pieces or list(IMAGES)
            for item in _piece(f"{folder}/{piece}.json", piece, where[piece], votes, pictures, storage)
        )
        super().__init__(pictures, items, folder, missing)


def _piece(file: str, piece: str, folder: str, votes: int, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
    doubtful = 0
    for key, row in json_table(storage, file):
        if votes and row.inner("mturk").number("caption") < votes:
            doubtful += 1
            continue
        image = pictures.file(f"{folder}/{row.text('image_file')}")
        yield texts_item(key, image, [row.text("caption")], [row.text("foil")], subset=piece)
    if doubtful:
        logger.info("%s: %d questions have fewer than %d votes, and are left out", file, doubtful, votes)
