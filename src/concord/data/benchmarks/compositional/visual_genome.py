"""ARO's relation and attribution tests: one part of a Visual Genome photograph, and a caption with its words exchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from concord.data.benchmarks.compositional.questions import FileQuestions, texts_item
from concord.data.benchmarks.pictures import Box, FilePictures
from concord.data.benchmarks.rows import Row, json_list
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item


class VGRelation(FileQuestions):
    """ "The cat is on the table" against "the table is on the cat" (ARO; Yuksekgonul et al. 2023, https://arxiv.org/abs/2210.01936).

    File: a list of {image_id, image_path, bbox_x, bbox_y, bbox_w, bbox_h, relation_name, true_caption, false_caption, ...}. The
    image is the box; what of it lies outside of the photograph is left out, where ARO's own code fills it with black. The group
    of an item is its relation, its unit the photograph.
    """

    annotations_at = "visual_genome_relation.json"
    called = "vg_relation"

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        return _items(origin, pictures, storage, lambda row: row.text("relation_name"))


class VGAttribution(FileQuestions):
    """ "The white cat and the wooden table" against "the wooden cat and the white table"; otherwise as `VGRelation`.

    File: as for `VGRelation`, with attributes, a list of two, in place of relation_name. The group of an item is its ordered
    pair of attributes, joined with "_".
    """

    annotations_at = "visual_genome_attribution.json"
    called = "vg_attribution"

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        return _items(origin, pictures, storage, _attributes)


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
