"""Images in a folder whose captions stand in an annotation file: what COCO, Karpathy's splits, Flickr and RedCaps share."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from concord.data.readers.captions import captions_of, usable
from concord.data.readers.cells import ImageCells, resolve
from concord.data.readers.packing import checksum, decoded, encoded, pack
from concord.data.source import digest, probes
from concord.data.storage.paths import is_url, without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError
from concord.types import Pair

logger = logging.getLogger(__name__)

SCHEMA = pa.schema([("file", pa.large_binary()), ("captions", pa.large_list(pa.large_binary()))])


class Annotation(NamedTuple):
    """One image of an annotation file.

    Attributes:
        file: its path below the folder of images, with forward slashes.
        captions: in the order of the file.
    """

    file: str
    captions: Sequence[str]


class AnnotatedImages:
    """A source of the images that annotations name; subclasses read the annotations. The key of an example is its image's path.

    Images without a caption are left out, with a warning that counts them.

    Args:
        annotations: one per image; read once.
        images: the folder of images, local or behind a URL.
        origin: the annotation file, for messages.
        name: for logs and metrics.
        storage: how files are read.

    Raises:
        DataError: when no image has a caption, and when none of the images is in the folder.
    """

    def __init__(self, annotations: Iterable[Annotation], images: str, origin: str, name: str, storage: Storage) -> None:
        origin = without_secrets(origin)
        self.name = name
        self._images = ImageCells(images, storage)
        self._rows = pack(_captioned(annotations, origin), SCHEMA)
        if not len(self):
            raise DataError(f"{origin}: no image in it has a caption")
        if not any(self._is_there(index) for _, index in probes(self)):
            folder, example = without_secrets(images), self.location(0)
            raise DataError(f"{origin}: none of its images is in {folder}, such as {example}; are path, images and split right?")

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def fingerprint(self) -> str:
        return digest(checksum(self._rows))

    def location(self, index: int) -> str:
        return below(without_secrets(self._images.root), self.key(index))

    def key(self, index: int) -> str:
        return decoded(self._rows["file"][index].as_py())

    def captions(self, index: int) -> tuple[str, ...]:
        return usable(self.key(index), [decoded(caption) for caption in self._rows["captions"][index].as_py()])

    def __getitem__(self, index: int) -> Pair:
        key = self.key(index)
        return Pair(self._images.read(key, key), self.captions(index), key, self.name)

    def _is_there(self, index: int) -> bool:
        try:
            path = resolve(self._images.root, self.key(index))
            return path is not None and self._images.storage.state(path).size >= 0
        except (StorageError, ValueError):  # a NUL in the name is a ValueError
            return False


def below(folder: str, path: str) -> str:
    """A path in a folder, local or behind a URL; an absolute path or a URL stays what it is, and "" is the folder itself."""
    if path.startswith("/") or is_url(path):
        return path
    folder = os.path.expanduser(folder)
    return f"{folder.rstrip('/')}/{path}" if path else folder


def _captioned(annotations: Iterable[Annotation], origin: str) -> Iterator[tuple[bytes, list[bytes]]]:
    """What is kept of the annotations: those with at least one caption."""
    bare, example = 0, ""
    for file, captions in annotations:
        if texts := captions_of(list(captions)):
            yield encoded(file), [encoded(text) for text in texts]
        else:
            bare, example = bare + 1, example or file
    if bare:
        logger.warning("%s: %d images without a caption are left out, such as %s", origin, bare, example)
