"""Images with their captions in memory: what the readers of retrieval tests have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from concord.data.readers.annotated import below
from concord.data.readers.captions import captions_of, usable
from concord.data.readers.cells import ImageCells, resolve
from concord.data.source import digest, probes
from concord.data.storage.paths import is_url, without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError
from concord.relevance import CAPTION_IDS
from concord.types import Caption, Pair, role_of


class Captioned(NamedTuple):
    """One image of a test.

    Attributes:
        file: its path below the folder of images.
        captions: with roles where they have languages.
        key: the name of the example; "" for the path.
        ids: names of the captions, as many as these; empty where nothing refers to them.
    """

    file: str
    captions: tuple[str, ...]
    key: str = ""
    ids: tuple[str, ...] = ()


class CaptionedImages:
    """A source of the images of a test; subclasses read its files. It is small enough to be held as it is.

    Args:
        entries: the images in the order of the test; those without a caption are refused, since a test is complete.
        images: the folder of images, local or behind a URL.
        origin: the file that names them, for messages.
        name: for logs and metrics.
        storage: how files are read.

    Raises:
        DataError: for no image, an image without a caption, a name that occurs twice, and when none of the images is there.
    """

    def __init__(self, entries: Iterable[Captioned], images: str, origin: str, name: str, storage: Storage) -> None:
        self.name = name
        self._images = ImageCells(images, storage)
        self._entries = [_cleaned(entry, origin) for entry in entries]
        self._check(origin)

    def __len__(self) -> int:
        return len(self._entries)

    def key(self, index: int) -> str:
        entry = self._entries[index]
        return entry.key or entry.file

    def captions(self, index: int) -> tuple[str, ...]:
        return usable(self.key(index), self._entries[index].captions)

    def metadata(self, index: int) -> Mapping[str, Any]:
        ids = self._entries[index].ids
        return {CAPTION_IDS: list(ids)} if ids else {}

    def location(self, index: int) -> str:
        return below(without_secrets(self._images.root), self._entries[index].file)

    def fingerprint(self) -> str:
        return digest([(*entry[:1], [(caption, role_of(caption)) for caption in entry.captions], *entry[2:]) for entry in self._entries])

    def __getitem__(self, index: int) -> Pair:
        content = self._images.read(self.key(index), self._entries[index].file)
        return Pair(content, self.captions(index), self.key(index), self.name, self.metadata(index))

    def _check(self, origin: str) -> None:
        if not self._entries:
            raise DataError(f"{origin}: no image in it")
        seen: set[str] = set()
        for index in range(len(self)):
            if self.key(index) in seen:
                raise DataError(f"{origin}: {self.key(index)} occurs twice")
            seen.add(self.key(index))
        if not any(self._is_there(index) for _, index in probes(self)):
            raise DataError(f"{origin}: none of its images is there, such as {self.location(0)}; are path and images right?")

    def _is_there(self, index: int) -> bool:
        path = resolve(self._images.root, self._entries[index].file)
        if path is None or "\0" in path:
            return False
        if not is_url(path):
            return os.path.isfile(path)
        try:
            return self._images.storage.state(path).size >= 0
        except StorageError:
            return False


def lines_of(storage: Storage, file: str) -> list[str]:
    """The lines of a text file in UTF-8, without their ends; a last line that is empty is none.

    Raises:
        DataError: for a file that is missing, or in another encoding.
    """
    try:
        text = storage.read(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{without_secrets(file)} is not UTF-8") from None
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def grouped(named: Iterable[tuple[str, str]]) -> Iterator[Captioned]:
    """Images with all their captions, in the order in which the images are first named."""
    captions: dict[str, list[str]] = {}
    for file, caption in named:
        captions.setdefault(file, []).append(caption)
    return (Captioned(file, tuple(texts)) for file, texts in captions.items())


def _cleaned(entry: Captioned, origin: str) -> Captioned:
    texts = [captions_of(caption, role_of(caption)) for caption in entry.captions]
    if not texts or not all(texts):
        raise DataError(f"{origin}: {entry.file} has {'an empty' if texts else 'no'} caption")
    if entry.ids and len(entry.ids) != len(texts):
        raise DataError(f"{origin}: {entry.file} has {len(texts)} captions and {len(entry.ids)} ids of captions")
    return entry._replace(captions=tuple(caption for (caption,) in texts))


def in_language(texts: Iterable[str], language: str) -> tuple[str, ...]:
    """Captions whose role is their language."""
    return tuple(Caption(text, language) for text in texts)
