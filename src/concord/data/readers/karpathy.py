"""Karpathy's splits of COCO, Flickr30k and Flickr8k."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from concord.data.readers.annotated import AnnotatedImages, Annotation, below
from concord.data.readers.documents import entries, load_document, value
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

KarpathySplit = Literal["train", "restval", "train+restval", "val", "test"]


class Karpathy(AnnotatedImages):
    """One JSON file for all splits: dataset_coco.json, dataset_flickr30k.json or dataset_flickr8k.json.

    An example is an image of the split with all its sentences; its key is the file name, for COCO with its folder
    ("val2014/COCO_val2014_000000000042.jpg").

    Args:
        path: the folder of the data set, local or behind a URL.
        annotations: the JSON file below it.
        images: the folder of images below it, for COCO the one that holds train2014 and val2014; "" is the folder itself.
        split: which images. "restval" is the rest of COCO's validation images, which is usually trained on: "train+restval".
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, a split without images, and when none is in the folder.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "dataset_coco.json",
        images: str = "",
        split: KarpathySplit = "train",
        name: str = "coco",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, annotations)
        found = _of_split(load_document(storage, file), split, without_secrets(file))
        super().__init__(found, below(path, images), file, name, storage)


def _of_split(document: dict[str, Any], split: str, file: str) -> Iterator[Annotation]:
    parts = split.split("+")
    sizes: Counter[str] = Counter()
    for place, image in entries(document, "images", file):
        part = value(image, "split", str, place)
        sizes[part] += 1
        if part in parts:
            yield _annotation(image, place)
    if not any(sizes[part] for part in parts):
        there = ", ".join(f"{part} ({size})" for part, size in sorted(sizes.items())) or "nothing"
        raise DataError(f"{file}: no image of split {split}; it has {there}")


def _annotation(image: dict[str, Any], place: str) -> Annotation:
    name = value(image, "filename", str, place)
    folder = value(image, "filepath", str, place) if "filepath" in image else ""
    sentences = [value(sentence, "raw", str, where) for where, sentence in entries(image, "sentences", place)]
    return Annotation(below(folder, name) if folder else name, sentences)
