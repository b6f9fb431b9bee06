"""RedCaps: captions by subreddit and year."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from concord.data.readers.annotated import AnnotatedImages, Annotation, below
from concord.data.readers.documents import entries, load_document, value
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage


class RedCaps(AnnotatedImages):
    """RedCaps as its downloader leaves it: annotations/SUBREDDIT_YEAR.json and images/SUBREDDIT/IMAGE_ID.jpg.

    The key of an example is SUBREDDIT/IMAGE_ID.jpg. The downloader can take annotations of images that are gone out of the
    files (--update-annotations); else they count as unusable examples.

    Args:
        path: the folder of the data set, local or behind a URL.
        annotations: JSON files below it: a folder, a pattern ("annotations/birds_*.json"), or a list of these.
        images: the folder of images below it.
        caption: "caption" was cleaned (lower case, no brackets, no accents or emoji), "raw_caption" is what its author wrote.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and when no image has a caption or none is in the folder.
    """

    def __init__(
        self,
        path: str,
        annotations: str | list[str] = "annotations",
        images: str = "images",
        caption: Literal["caption", "raw_caption"] = "caption",
        name: str = "redcaps",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        patterns = [annotations] if isinstance(annotations, str) else annotations
        files = storage.find([below(path, pattern) for pattern in patterns], ".json")
        found = (annotation for file in files for annotation in _posts(load_document(storage, file), caption, without_secrets(file)))
        origin = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        super().__init__(found, below(path, images), origin, name, storage)


def _posts(document: dict[str, Any], caption: str, file: str) -> Iterator[Annotation]:
    for place, post in entries(document, "annotations", file):
        subreddit = value(post, "subreddit", str, place)
        yield Annotation(f"{subreddit}/{value(post, 'image_id', str, place)}.jpg", [value(post, caption, str, place)])
