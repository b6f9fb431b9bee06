"""SugarCrepe and SugarCrepe++: COCO captions against hard negatives that a language model wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import json_list, json_table
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.items import Item

SugarCrepeSubset = Literal["add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"]
SugarCrepePlusSubset = Literal["replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"]

SUGAR_CREPE: tuple[SugarCrepeSubset, ...] = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")
SUGAR_CREPE_PLUS: tuple[SugarCrepePlusSubset, ...] = ("replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")


class SugarCrepe(Questions):
    """One caption and one wrong caption per question (Hsieh et al. 2023, https://arxiv.org/abs/2306.14610).

    Files: `data/SUBSET.json`, an object of {filename, caption, negative_caption}; images of COCO val2017.

    Args:
        path: the folder of the test, local or behind a URL.
        images: the folder of val2017 below it, or anywhere.
        annotations: the folder of the JSON files below it; "data_unrefined" has the questions before they were filtered.
        subsets: which files; null for all seven.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        images: str = "val2017",
        annotations: str = "data",
        subsets: list[SugarCrepeSubset] | None = None,
        name: str = "sugar_crepe",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        folder = below(path, annotations)
        super().__init__(pictures, _negatives(folder, subsets or SUGAR_CREPE, pictures, storage), folder, missing)


class SugarCrepePlus(Questions):
    """Two captions of the same meaning and one wrong caption (SugarCrepe++; Dumpala et al. 2024, https://arxiv.org/abs/2406.11171).

    Files: `data/SUBSET.json`, a list of {id, filename, caption, caption2, negative_caption}; images of COCO val2017. In two
    questions of swap_obj the wrong caption is the right one; the task leaves these out and says so.

    Args:
        path: the folder of the test, local or behind a URL.
        images: the folder of val2017 below it, or anywhere.
        annotations: the folder of the JSON files below it.
        subsets: which files; null for all five.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        images: str = "val2017",
        annotations: str = "data",
        subsets: list[SugarCrepePlusSubset] | None = None,
        name: str = "sugar_crepe_plus",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        folder = below(path, annotations)
        super().__init__(pictures, _paraphrases(folder, subsets or SUGAR_CREPE_PLUS, pictures, storage), folder, missing)


def _negatives(folder: str, subsets: Sequence[str], pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
    for subset in subsets:
        for key, row in json_table(storage, f"{folder}/{subset}.json"):
            image = pictures.file(row.text("filename"))
            yield texts_item(f"{subset}/{key}", image, [row.text("caption")], [row.text("negative_caption")], subset=subset)


def _paraphrases(folder: str, subsets: Sequence[str], pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
    for subset in subsets:
        for row in json_list(storage, f"{folder}/{subset}.json"):
            image = pictures.file(row.text("filename"))
            right = [row.text("caption"), row.text("caption2")]
            yield texts_item(f"{subset}/{row.name('id')}", image, right, [row.text("negative_caption")], subset=subset)
