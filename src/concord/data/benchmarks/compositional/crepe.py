"""CREPE: parts of Visual Genome photographs, and many wrong captions of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, texts_item
from concord.data.benchmarks.compositional.visual_genome import box_of
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import csv_rows
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.items import Item

CrepeNegatives = Literal["atom", "swap", "negate"]
CrepeSystematicNegatives = Literal["atom", "comp", "combined"]
CrepeCorpus = Literal["cc12m", "yfcc", "laion"]

NEGATIVES: tuple[CrepeNegatives, ...] = ("atom", "swap", "negate")
SYSTEMATIC_NEGATIVES: tuple[CrepeSystematicNegatives, ...] = ("atom", "comp", "combined")
SPLITS = ("seen_compounds", "unseen_compounds")
COLUMNS = ("image_id", "caption", "x", "y", "width", "height")


class CrepeProductivity(Questions):
    """Captions of rising complexity (the productivity test of CREPE; Ma et al. 2023, https://arxiv.org/abs/2212.07796).

    Files: KIND/prod_vg_hard_negs_KIND_complexity_N.csv with image_id, caption, x, y, width, height and hard_negs, a list as Python
    writes it. The image is the box, without what of it lies outside of the photograph; the unit of an item is the photograph, its
    subset "KIND/complexity_N".

    Args:
        path: the folder of the test (prod_hard_negatives), local or behind a URL.
        images: the folders that hold IMAGE_ID.jpg, below it, or anywhere; the first that has a photograph counts.
        negatives: kinds of wrong captions; null for all three.
        complexities: how many objects, attributes and relations a caption names; null for 4 to 12.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        images: list[str] | None = None,
        negatives: list[CrepeNegatives] | None = None,
        complexities: list[int] | None = None,
        name: str = "crepe_productivity",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, path, storage)
        parts = [
            (f"{kind}/prod_vg_hard_negs_{kind}_complexity_{size}.csv", "hard_negs", f"{kind}/complexity_{size}")
            for kind in negatives or NEGATIVES
            for size in complexities or range(4, 13)
        ]
        super().__init__(pictures, _items(path, parts, images or FOLDERS, pictures, storage), path, missing)


class CrepeSystematicity(Questions):
    """Captions whose compounds the training captions have, or lack (the systematicity test of CREPE; Ma et al. 2023).

    Files: syst_vg_hard_negs_SPLIT_in_CORPUS.csv with image_id, caption, x, y, width, height and valid_hard_negs_KIND, lists as
    Python writes them. Fit for models that were trained on that corpus alone. The subset of an item is "KIND/SPLIT".

    Args:
        path: the folder of the test (syst_hard_negatives), local or behind a URL.
        corpus: what the model was trained on.
        images: the folders that hold IMAGE_ID.jpg, below it, or anywhere; the first that has a photograph counts.
        negatives: kinds of wrong captions; null for all three.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        corpus: CrepeCorpus,
        images: list[str] | None = None,
        negatives: list[CrepeSystematicNegatives] | None = None,
        name: str = "crepe_systematicity",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, path, storage)
        parts = [
            (f"syst_vg_hard_negs_{split}_in_{corpus}.csv", f"valid_hard_negs_{kind}", f"{kind}/{split}")
            for kind in negatives or SYSTEMATIC_NEGATIVES
            for split in SPLITS
        ]
        super().__init__(pictures, _items(path, parts, images or FOLDERS, pictures, storage), path, missing)


FOLDERS = ["VG_100K", "VG_100K_2"]
"""Of Visual Genome, as it is downloaded."""


def _items(
    path: str, parts: Sequence[tuple[str, str, str]], folders: Sequence[str], pictures: FilePictures, storage: Storage
) -> Iterator[Item | None]:
    """The questions of some files: each with the column of its wrong captions, and its subset."""
    for file, column, subset in parts:
        for number, row in enumerate(csv_rows(storage, below(path, file), (*COLUMNS, column))):
            photograph = row.name("image_id")
            name = pictures.first_of([below(folder, f"{photograph}.jpg") for folder in folders])
            image = pictures.file(name, box_of(row, "x", "y", "width", "height"))
            wrong = row.literal(column).texts(column)
            yield texts_item(str(number), image, [row.text("caption")], wrong, subset=subset, unit=photograph)
