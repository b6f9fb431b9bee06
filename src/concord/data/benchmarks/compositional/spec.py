"""SPEC: made pictures that differ in size, position, presence or number of objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, images_item, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_list
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.items import Item

SpecSubset = Literal["absolute_size", "relative_size", "absolute_spatial", "relative_spatial", "existence", "count"]
SpecDirection = Literal["image2text", "text2image"]

SPEC_SUBSETS: tuple[SpecSubset, ...] = ("absolute_size", "relative_size", "absolute_spatial", "relative_spatial", "existence", "count")


class Spec(Questions):
    """Which text says what a picture shows, and which picture shows what a text says (Peng et al. 2024, https://arxiv.org/abs/2312.00081).

    Files: SUBSET/image2text.json, a list of {query (image), keys (texts), label}, and SUBSET/text2image.json, a list of {query
    (text), keys (images), label}; the label is the place of the right key; images below SUBSET. The subset of an item is
    "SUBSET/image2text" or "SUBSET/text2image".

    Args:
        path: the folder of the test, local or behind a URL.
        subsets: which; null for all six.
        directions: "image2text", "text2image"; null for both.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        subsets: list[SpecSubset] | None = None,
        directions: list[SpecDirection] | None = None,
        name: str = "spec",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, path, storage)
        items = (
            item
            for subset in subsets or SPEC_SUBSETS
            for direction in directions or ("image2text", "text2image")
            for item in _part(path, subset, direction, pictures, storage)
        )
        super().__init__(pictures, items, path, missing)


def _part(path: str, subset: str, direction: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
    to_text = direction == "image2text"
    for number, row in enumerate(json_list(storage, below(path, f"{subset}/{direction}.json"))):
        right, wrong = _parted(row, row.texts("keys"))
        query, name = row.text("query"), f"{subset}/{direction}"
        if to_text:
            yield texts_item(str(number), pictures.file(f"{subset}/{query}"), right, wrong, subset=name)
        else:
            images = [[pictures.file(f"{subset}/{file}") for file in files] for files in (right, wrong)]
            yield images_item(str(number), query, images[0], images[1], subset=name)


def _parted(row: Row, keys: Sequence[str]) -> tuple[list[str], list[str]]:
    """The right key, and the others."""
    label = row.index("label", len(keys))
    return [keys[label]], [*keys[:label], *keys[label + 1 :]]
