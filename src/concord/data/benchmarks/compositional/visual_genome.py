"""ARO's relation and attribution tests: one part of a Visual Genome photograph, and a caption with its words exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from concord.data.benchmarks.compositional.questions import Missing, Questions, texts_item
from concord.data.benchmarks.pictures import Box, FilePictures
from concord.data.benchmarks.rows import Row, json_list
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item


class VGRelation(Questions):
    """ "The cat is on the table" against "the table is on the cat" (ARO; Yuksekgonul et al. 2023, https://arxiv.org/abs/2210.01936).

    File: a list of {image_id, image_path, bbox_x, bbox_y, bbox_w, bbox_h, relation_name, true_caption, false_caption, ...}. The
    image is the box; what of it lies outside of the photograph is left out, where ARO's own code fills it with black. The group
    of an item is its relation, its unit the photograph.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the JSON file below it.
        images: the folder of photographs below it, or anywhere.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "visual_genome_relation.json",
        images: str = "images",
        name: str = "vg_relation",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        file = below(path, annotations)
        super().__init__(pictures, _items(file, pictures, storage, lambda row: row.text("relation_name")), file, missing)


class VGAttribution(Questions):
    """ "The white cat and the wooden table" against "the wooden cat and the white table"; otherwise as `VGRelation`.

    File: as for `VGRelation`, with attributes, a list of two, in place of relation_name. The group of an item is its ordered
    pair of attributes, joined with "_".

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the JSON file below it.
        images: the folder of photographs below it, or anywhere.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "visual_genome_attribution.json",
        images: str = "images",
        name: str = "vg_attribution",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        file = below(path, annotations)
        super().__init__(pictures, _items(file, pictures, storage, _attributes), file, missing)


def box_of(row: Row, x: str, y: str, width: str, height: str) -> Box:
    """The box that four cells of a row give; refuses one without an area."""
    box = Box(row.number(x), row.number(y), row.number(width), row.number(height))
    if min(box.width, box.height) <= 0:
        raise DataError(f"{row.place}: a box must have an area, got {box.width:g} x {box.height:g} pixels")
    return box


def _items(file: str, pictures: FilePictures, storage: Storage, group: Callable[[Row], str]) -> Iterator[Item | None]:
    for number, row in enumerate(json_list(storage, file)):
        photograph = row.text("image_path")
        image = pictures.file(photograph, box_of(row, "bbox_x", "bbox_y", "bbox_w", "bbox_h"))
        right, wrong = [row.text("true_caption")], [row.text("false_caption")]
        yield texts_item(str(number), image, right, wrong, group=group(row), unit=photograph)


def _attributes(row: Row) -> str:
    attributes = row.texts("attributes")
    if len(attributes) != 2:
        raise row.error("attributes", "a list of two", attributes)
    return "_".join(attributes)
