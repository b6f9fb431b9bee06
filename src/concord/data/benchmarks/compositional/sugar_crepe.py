"""SugarCrepe and SugarCrepe++: COCO captions against hard negatives that a language model wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, get_args

from concord.data.benchmarks.compositional.questions import FileQuestions, Missing, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import json_list, json_table
from concord.data.storage.storage import Storage
from concord.items import Item

SugarCrepeSubset = Literal["add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"]


class SugarCrepe(FileQuestions):
    """One caption and one wrong caption per question (Hsieh et al. 2023, https://arxiv.org/abs/2306.14610).

    Files: `data/SUBSET.json`, an object of {filename, caption, negative_caption}; "data_unrefined" has the questions before they
    were filtered. Images of COCO val2017.

    Args:
        subsets: which files; null for all seven.
        path, annotations, images, name, missing, storage: see `FileQuestions`.
    """

    annotations_at = "data"
    images_at = "val2017"
    called = "sugar_crepe"
    published: ClassVar[tuple[SugarCrepeSubset, ...]] = get_args(SugarCrepeSubset)

    def __init__(
        self,
        path: str,
        annotations: str | None = None,
        images: str | None = None,
        subsets: list[SugarCrepeSubset] | None = None,
        name: str | None = None,
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        self.subsets = subsets or self.published
        super().__init__(path, annotations, images, name, missing, storage)

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        return _negatives(origin, self.subsets, pictures, storage)


class SugarCrepePlus(SugarCrepe):
    """Two captions of the same meaning and one wrong caption (SugarCrepe++; Dumpala et al. 2024, https://arxiv.org/abs/2406.11171).

    Files: `data/SUBSET.json`, a list of {id, filename, caption, caption2, negative_caption}; images of COCO val2017; null for
    subsets stands for the five that it has, those without "add". In two questions of swap_obj the wrong caption is the right
    one; the task leaves these out and says so.
    """

    called = "sugar_crepe_plus"
    published = ("replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        return _paraphrases(origin, self.subsets, pictures, storage)


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
