"""Composed retrieval: an image and a change in words ask for another image. CIRR, FashionIQ and CIRCO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from concord.data.benchmarks.pictures import FilePictures
from concord.data.readers.annotated import below
from concord.data.readers.documents import load_document, load_json, value
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import ComposedQuery

CATEGORIES = ("dress", "shirt", "toptee")


class Cirr:
    """CIRR (Liu et al. 2021): captions/cap.rc2.SPLIT.json and image_splits/split.rc2.SPLIT.json, which also names the files.

    The reference is left out of the search; the six images of a set, the reference among them, look alike.

    Args:
        path: the folder of the data set, local or behind a URL.
        split: "val", or "train"; the targets of "test1" are not published.
        images: the folder of images below it, from which the names in the split start.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Attributes:
        images: the images of the split, each once.
        queries: the questions.

    Raises:
        DataError: for a file that is missing or of another form, and a split without targets.
    """

    def __init__(self, path: str, split: str = "val", images: str = "img_raw", name: str = "cirr", storage: Storage | None = None) -> None:
        storage = storage if storage is not None else Storage()
        self.name = name
        self.images = FilePictures(name, below(path, images), storage)
        listing = below(path, f"image_splits/split.rc2.{split}.json")
        files = load_document(storage, listing)
        numbers = {image: self.images.file(value(files, image, str, without_secrets(listing)).removeprefix("./")) for image in files}
        captions = below(path, f"captions/cap.rc2.{split}.json")
        self.queries = [_cirr(entry, numbers, place) for place, entry in _objects(storage, captions)]


class FashionIQ:
    """FashionIQ (Wu et al. 2021): captions/cap.CATEGORY.SPLIT.json and image_splits/split.CATEGORY.SPLIT.json.

    Each category is searched by itself, the reference among the candidates. The two captions of a question are joined with
    "and", in both orders, and the two embeddings averaged (SEARLE, Baldrati et al. 2023).

    Args:
        path: the folder of the data set, local or behind a URL.
        split: "val", or "train"; the targets of "test" are not published.
        categories: which of dress, shirt and toptee.
        images: the folder of images below it, ASIN.jpg each.
        suffix: of the files of images.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Attributes:
        images: the images of the split, each once.
        queries: the questions; their subsets are the categories.

    Raises:
        DataError: for a file that is missing or of another form, and a split without targets.
        ValueError: for an unknown category.
    """

    def __init__(
        self,
        path: str,
        split: str = "val",
        categories: tuple[str, ...] = CATEGORIES,
        images: str = "images",
        suffix: str = ".jpg",
        name: str = "fashion_iq",
        storage: Storage | None = None,
    ) -> None:
        if not categories or any(category not in CATEGORIES for category in categories):
            raise ValueError(f"categories must be some of {', '.join(CATEGORIES)}, got {list(categories)}")
        storage = storage if storage is not None else Storage()
        self.name = name
        self.images = FilePictures(name, below(path, images), storage)
        self.queries: list[ComposedQuery] = []
        for category in categories:
            gallery = self._gallery(storage, below(path, f"image_splits/split.{category}.{split}.json"), suffix)
            captions = below(path, f"captions/cap.{category}.{split}.json")
            asked = enumerate(_objects(storage, captions))
            self.queries += [_fashion(entry, f"{category}/{row}", category, gallery, place) for row, (place, entry) in asked]

    def _gallery(self, storage: Storage, file: str, suffix: str) -> dict[str, int]:
        names = load_json(storage, file)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{without_secrets(file)}: expected a JSON list of names")
        return {name: self.images.file(name + suffix) for name in names}


class Circo:
    """CIRCO (Baldrati et al. 2023): annotations/val.json over COCO's unlabeled2017 images, several of which may be right.

    Args:
        path: the folder of the data set, local or behind a URL.
        gallery: COCO's image_info_unlabeled2017.json below it, which names the 123,403 candidates.
        images: the folder of images below it.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Attributes:
        images: the images of the gallery, each once.
        queries: the 220 questions of the validation part; the targets of the test are not published.

    Raises:
        DataError: for a file that is missing or of another form, and an image that is not in the gallery.
    """

    def __init__(
        self,
        path: str,
        gallery: str = "annotations/image_info_unlabeled2017.json",
        images: str = "unlabeled2017",
        name: str = "circo",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        self.name = name
        self.images = FilePictures(name, below(path, images), storage)
        listing = below(path, gallery)
        place = without_secrets(listing)
        numbers = {
            value(image, "id", int, place): self.images.file(value(image, "file_name", str, place))
            for image in value(load_document(storage, listing), "images", list, place)
        }
        self.queries = [_circo(entry, numbers, where) for where, entry in _objects(storage, below(path, "annotations/val.json"))]


def _objects(storage: Storage, file: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list, each with its place for messages."""
    found, place = load_json(storage, file), without_secrets(file)
    if not isinstance(found, list):
        raise DataError(f"{place}: expected a JSON list")
    for row, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise DataError(f"{place}: [{row}] must be an object")
        yield f"{place}: [{row}]", entry


def _number(numbers: dict[Any, int], name: Any, place: str) -> int:
    if name not in numbers:
        raise DataError(f"{place}: image {name} is not in the list of images")
    return numbers[name]


def _cirr(entry: dict[str, Any], numbers: dict[str, int], place: str) -> ComposedQuery:
    if "target_hard" not in entry:
        raise DataError(f"{place}: no target_hard; the targets of the test are not published, use split: val")
    reference = _number(numbers, value(entry, "reference", str, place), place)
    target = _number(numbers, value(entry, "target_hard", str, place), place)
    members = value(value(entry, "img_set", dict, place), "members", list, place)
    group = tuple(number for number in (_number(numbers, member, place) for member in members) if number != reference)
    text = value(entry, "caption", str, place)
    return ComposedQuery(str(value(entry, "pairid", int, place)), reference, (text,), (target,), group=group)


def _fashion(entry: dict[str, Any], key: str, category: str, gallery: dict[str, int], place: str) -> ComposedQuery:
    if "target" not in entry:
        raise DataError(f"{place}: no target; the targets of the test are not published, use split: val")
    reference = _number(gallery, value(entry, "candidate", str, place), place)
    target = _number(gallery, value(entry, "target", str, place), place)
    captions = [text.strip(".?, ") for text in value(entry, "captions", list, place) if isinstance(text, str)]
    texts, searched = _both_orders(captions, place), tuple(gallery.values())
    return ComposedQuery(key, reference, texts, (target,), searched, keep_reference=True, subset=category)


def _both_orders(captions: Sequence[str], place: str) -> tuple[str, ...]:
    if not captions or not all(captions):
        raise DataError(f"{place}: captions must be one or two texts")
    if len(captions) == 1:
        return (captions[0].capitalize(),)
    first, second = captions[:2]
    return f"{first.capitalize()} and {second}", f"{second.capitalize()} and {first}"


def _circo(entry: dict[str, Any], numbers: dict[int, int], place: str) -> ComposedQuery:
    target = value(entry, "target_img_id", int, place)
    right = [target, *(image for image in value(entry, "gt_img_ids", list, place) if image != target)]
    aspects = tuple(str(aspect) for aspect in entry.get("semantic_aspects", ()))
    return ComposedQuery(
        str(value(entry, "id", int, place)),
        _number(numbers, value(entry, "reference_img_id", int, place), place),
        (value(entry, "relative_caption", str, place),),
        tuple(_number(numbers, image, place) for image in right),
        aspects=aspects,
    )
