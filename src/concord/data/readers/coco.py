"""COCO's captions, and data sets that took over their form."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from concord.data.readers.annotated import AnnotatedImages, Annotation, below
from concord.data.readers.documents import entries, load_document, value
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

logger = logging.getLogger(__name__)


class CocoCaptions(AnnotatedImages):
    """One JSON file with two lists: "images" (id, file_name) and "annotations" (image_id, caption), as in captions_train2017.json.

    An example is an image with all its captions, in the order of the annotations; its key is the file name.

    Args:
        path: the folder of the data set, local or behind a URL.
        annotations: the JSON file below it; "{split}" is replaced.
        images: the folder of images below it; "{split}" is replaced, and "" is the folder itself.
        split: such as "train" or "val".
        caption: where an annotation has its caption.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and when no image has a caption or none is in the folder.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "annotations/captions_{split}2017.json",
        images: str = "{split}2017",
        split: str = "train",
        caption: str = "caption",
        name: str = "coco",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        file = below(path, annotations.replace("{split}", split))
        found = _by_image(load_document(storage, file), caption, without_secrets(file))
        super().__init__(found, below(path, images.replace("{split}", split)), file, name, storage)


def _by_image(document: dict[str, Any], caption: str, file: str) -> Iterator[Annotation]:
    """Every image with its captions, in the order of the images."""
    captions: dict[object, list[str]] = {}
    files: dict[object, str] = {}
    for place, image in entries(document, "images", file):
        key = _identity(image, "id", place)
        if key in files:
            raise DataError(f"{place}: id {key!r} occurs twice")
        files[key] = value(image, "file_name", str, place)
        captions[key] = []
    strangers = 0
    for place, annotation in entries(document, "annotations", file):
        text = value(annotation, caption, str, place)
        if (key := _identity(annotation, "image_id", place)) in captions:
            captions[key].append(text)
        else:
            strangers += 1
    if strangers:
        logger.warning("%s: %d captions belong to images that it does not list; they are left out", file, strangers)
    return (Annotation(files[key], captions[key]) for key in files)


def _identity(entry: dict[str, Any], key: str, place: str) -> int | str:
    found = entry.get(key)
    return found if isinstance(found, str) else value(entry, key, int, place)
