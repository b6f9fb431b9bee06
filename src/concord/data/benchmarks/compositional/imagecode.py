"""ImageCoDe: a description of one among ten pictures that hardly differ."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from concord.data.benchmarks.compositional.questions import FileQuestions, images_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_table
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item

SIZE = 10
_FRAME = re.compile(r"img(\d+)\.jpg")


class ImageCoDe(FileQuestions):
    """Which of ten neighbouring pictures a description means (Krojer et al. 2022, https://arxiv.org/abs/2203.15867).

    Files: valid_data.json (the answers of the test are kept secret), an object by set of {place: description}, where the place is
    that of the picture among the ten; images as SET/imgNUMBER.jpg, for videos with the number of the frame. The subset of an item
    is "static" for sets of photographs ("open-images...") and "video" for frames; its unit is the set.
    """

    annotations_at = "data/valid_data.json"
    images_at = "data/image-sets"
    called = "imagecode"

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        for key, row in json_table(storage, origin):
            yield from _set(key, row, _frames(pictures.place, key, storage), pictures)


def _set(name: str, row: Row, frames: list[str], pictures: FilePictures) -> Iterator[Item | None]:
    numbers = [pictures.file(f"{name}/{frame}") for frame in frames]
    subset = "static" if name.startswith("open-images") else "video"
    for place in row.cells:
        if not place.isdecimal() or int(place) >= SIZE:
            raise DataError(f"{row.place}: {place!r} is no place among {SIZE} pictures")
        right = numbers[int(place)]
        yield images_item(f"{name}/{place}", row.text(place), [right], numbers, subset=subset, unit=name)


def _frames(root: str, name: str, storage: Storage) -> list[str]:
    """The files of a set by their numbers. Where they are not ten, names that are then found missing."""
    try:
        files = [posixpath.basename(file) for file in storage.find(below(root, name), ".jpg")]
    except DataError:
        files = []
    numbered = sorted((int(found[1]), file) for file in files if (found := _FRAME.fullmatch(file)))
    return [file for _, file in numbered] if len(numbered) == SIZE else [f"(incomplete) {place}" for place in range(SIZE)]
