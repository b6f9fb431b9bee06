"""What all tests share: their pictures, their items, and what becomes of questions that cannot be asked."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from concord.data.benchmarks.pictures import FilePictures, Pictures
from concord.data.readers.annotated import below
from concord.data.source import digest
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item

logger = logging.getLogger(__name__)

Missing = Literal["error", "skip"]
"""What to do where a picture of a test is not in its folder: refuse the test, or leave out the questions about it."""


class Questions:
    """A test as it was read; an `ItemSet`. Subclasses parse the files of one test.

    Questions without a wrong answer are left out, with a warning that counts them; those whose wrong text is, word for word, a
    right one are for the task to leave out. Pictures that no item asks about are left out too.

    Args:
        pictures: all that the items ask about.
        items: the questions; None for one without a wrong answer.
        origin: the file or folder of the questions, for messages.
        missing: what to do where a picture is not there. Behind a URL that is only known once it is read.

    Attributes:
        unanswerable: how many questions were left out for want of a wrong answer.
        absent: how many were left out because a picture is not there.

    Raises:
        DataError: where no question is left, and where a picture is not there and `missing` is "error".
    """

    def __init__(self, pictures: Pictures[Any], items: Iterable[Item | None], origin: str, missing: Missing = "error") -> None:
        found = list(items)
        asked = [item for item in found if item is not None]
        self.name = pictures.name
        self.unanswerable = len(found) - len(asked)
        if self.unanswerable:
            logger.warning("%s: %d of %d questions have no wrong answer, and are left out", self.name, self.unanswerable, len(found))
        if not asked:
            raise DataError(f"{origin}: no question in it")
        kept = _complete(asked, pictures, origin, missing)
        self.absent = len(asked) - len(kept)
        used = sorted({number for item in kept for number in item.images})
        place = {number: index for index, number in enumerate(used)}
        self.images = pictures.take(used)
        self.items = [replace(item, images=tuple(place[number] for number in item.images)) for item in kept]

    def fingerprint(self) -> str:
        """See `Fingerprinted`; of the pictures and of the questions."""
        described = [(item.key, item.form, item.images, item.texts, item.right, item.subset, item.group, item.unit) for item in self.items]
        return digest(self.images.fingerprint(), described)


class FileQuestions(Questions):
    """A test whose questions stand in one file, or in the files of one folder, and whose pictures lie in another folder.
    Subclasses say what these are called, and parse.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the file, or the folder, of the questions below it; None for `annotations_at`.
        images: the folder of pictures below it, or anywhere; None for `images_at`.
        name: for logs and metrics; None for `called`.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Attributes:
        annotations_at, images_at, called: what the test is published with.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    annotations_at: ClassVar[str]
    images_at: ClassVar[str] = "images"
    called: ClassVar[str]

    def __init__(
        self,
        path: str,
        annotations: str | None = None,
        images: str | None = None,
        name: str | None = None,
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        root = below(path, images if images is not None else self.images_at)
        pictures = FilePictures(name if name is not None else self.called, root, storage)
        origin = below(path, annotations if annotations is not None else self.annotations_at)
        super().__init__(pictures, self.parse(origin, pictures, storage), origin, missing)

    @abstractmethod
    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        """The questions of the file or folder, their pictures added to `pictures`; None for one without a wrong answer."""


def texts_item(key: str, image: int, right: Sequence[str], wrong: Sequence[str], **about: str) -> Item | None:
    """Which texts say what is in an image; None without a wrong one."""
    return Item(key, "texts", (image,), (*right, *wrong), len(right), **about) if wrong else None


def images_item(
    key: str, text: str, right: Sequence[int], wrong: Sequence[int], form: Literal["images", "set"] = "images", **about: str
) -> Item | None:
    """Which images show what a text says; None without a wrong one that differs from the right ones."""
    others = tuple(image for image in wrong if image not in right)
    return Item(key, form, (*right, *others), (text,), len(right), **about) if others else None


def match_item(key: str, images: Sequence[int], texts: Sequence[str], **about: str) -> Item | None:
    """Which image belongs to which text; None where two images are the same."""
    return Item(key, "match", tuple(images), tuple(texts), 1, **about) if len(set(images)) == len(images) else None


def _complete(items: list[Item], pictures: Pictures[Any], origin: str, missing: Missing) -> list[Item]:
    """The items whose pictures are all there."""
    gone = pictures.missing()
    if not gone:
        return items
    absent = set(gone)
    kept = [item for item in items if absent.isdisjoint(item.images)]
    what = f"{len(gone)} of {len(pictures)} pictures are not in {pictures.place}, such as {pictures.key(gone[0])}"
    if not kept:
        raise DataError(f"{origin}: {what}, and no question is left; are the paths right?")
    if missing == "error":
        raise DataError(f"{origin}: {what}; complete the folder, or set missing to skip")
    logger.warning("%s: %s; %d of %d questions are left", pictures.name, what, len(kept), len(items))
    return kept
