"""Composed retrieval: an image and a change in words ask for another image. CIRR, FashionIQ and CIRCO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_list, json_object
from concord.data.readers.annotated import below
from concord.data.readers.documents import load_json
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
        files = json_object(storage, below(path, f"image_splits/split.rc2.{split}.json"))
        numbers = {image: self.images.file(files.text(image).removeprefix("./")) for image in files.cells}
        self.queries = [_cirr(entry, numbers) for entry in json_list(storage, below(path, f"captions/cap.rc2.{split}.json"))]


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
            asked = enumerate(json_list(storage, below(path, f"captions/cap.{category}.{split}.json")))
            self.queries += [_fashion(entry, f"{category}/{row}", category, gallery) for row, entry in asked]

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
        listed = json_object(storage, below(path, gallery)).rows("images")
        numbers = {image.name("id"): self.images.file(image.text("file_name")) for image in listed}
        self.queries = [_circo(entry, numbers) for entry in json_list(storage, below(path, "annotations/val.json"))]


def _number(numbers: dict[str, int], name: Any, place: str) -> int:
    if str(name) not in numbers:
        raise DataError(f"{place}: image {name} is not in the list of images")
    return numbers[str(name)]


def _cirr(entry: Row, numbers: dict[str, int]) -> ComposedQuery:
    target = _number(numbers, _target(entry, "target_hard"), entry.place)
    reference = _number(numbers, entry.text("reference"), entry.place)
    members = entry.inner("img_set").values("members")
    group = tuple(number for number in (_number(numbers, member, entry.place) for member in members) if number != reference)
    return ComposedQuery(entry.name("pairid"), reference, (entry.text("caption"),), (target,), group=group)


def _fashion(entry: Row, key: str, category: str, gallery: dict[str, int]) -> ComposedQuery:
    target = _number(gallery, _target(entry, "target"), entry.place)
    reference = _number(gallery, entry.text("candidate"), entry.place)
    captions = [text.strip(".?, ") for text in entry.values("captions") if isinstance(text, str)]
    texts, searched = _both_orders(captions, entry.place), tuple(gallery.values())
    return ComposedQuery(key, reference, texts, (target,), searched, keep_reference=True, subset=category)


def _target(entry: Row, key: str) -> str:
    if key not in entry.cells:
        raise DataError(f"{entry.place}: no {key}; the targets of the test are not published, use split: val")
    return entry.text(key)


def _both_orders(captions: Sequence[str], place: str) -> tuple[str, ...]:
    if not captions or not all(captions):
        raise DataError(f"{place}: captions must be one or two texts")
    if len(captions) == 1:
        return (captions[0].capitalize(),)
    first, second = captions[:2]
    return f"{first.capitalize()} and {second}", f"{second.capitalize()} and {first}"


def _circo(entry: Row, numbers: dict[str, int]) -> ComposedQuery:
    target = entry.name("target_img_id")
    right = [target, *(str(image) for image in entry.values("gt_img_ids") if str(image) != target)]
    return ComposedQuery(
        entry.name("id"),
        _number(numbers, entry.name("reference_img_id"), entry.place),
        (entry.text("relative_caption"),),
        tuple(_number(numbers, image, entry.place) for image in right),
        aspects=tuple(str(aspect) for aspect in entry.cells.get("semantic_aspects", ())),
    )
