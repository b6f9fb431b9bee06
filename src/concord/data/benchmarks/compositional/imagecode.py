"""ImageCoDe: a description of one among ten pictures that hardly differ."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from concord.data.benchmarks.compositional.questions import Missing, Questions, images_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_table
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item

SIZE = 10
_FRAME = re.compile(r"img(\d+)\.jpg")


class ImageCoDe(Questions):
    """Which of ten neighbouring pictures a description means (Krojer et al. 2022, https://arxiv.org/abs/2203.15867).

    Files: valid_data.json (the answers of the test are kept secret), an object by set of {place: description}, where the place is
    that of the picture among the ten; images as SET/imgNUMBER.jpg, for videos with the number of the frame. The subset of an item
    is "static" for sets of photographs ("open-images...") and "video" for frames; its unit is the set.

    Args:
        path: the folder of the test, local, or behind a URL that can be listed.
        annotations: the JSON file below it.
        images: the folder of the sets below it, or anywhere.
        name: for logs and metrics.
        missing: what to do where a set has not its ten pictures; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "data/valid_data.json",
        images: str = "data/image-sets",
        name: str = "imagecode",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        root, file = below(path, images), below(path, annotations)
        pictures = FilePictures(name, root, storage)
        items = (item for key, row in json_table(storage, file) for item in _set(key, row, _frames(root, key, storage), pictures))
        super().__init__(pictures, items, file, missing)


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
