"""A folder of images with their captions beside them."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from concord.data.readers.captions import CaptionFields, FieldNames, parse_json
from concord.data.readers.packing import checksum, pack
from concord.data.source import BadSample, digest, require_captions
from concord.data.storage.paths import is_url
from concord.data.storage.storage import Storage, StorageError
from concord.errors import ConfigError, DataError
from concord.types import Pair

logger = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
BESIDE = (".txt", ".json")
SCHEMA = pa.schema([("image", pa.large_binary()), (".txt", pa.large_binary()), (".json", pa.large_binary())])


class Folder:
    """Images in a folder of the disk and its subfolders; the captions of a/b.jpg stand in a/b.txt or a/b.json.

    img2dataset's output_format=files is such a folder. The key of an example is its path below the folder. Only regular files are
    read, and symbolic links only where they lead to a file in the folder: an unpacked archive may hold links to anything.

    Args:
        path: the folder.
        caption: "txt", "json:PATH", several of them, or such fields by role; see `CaptionFields`.
        name: for logs and metrics; the folder's name when not given.
        metadata: "json": what else is known of an example stands in its JSON file. None: there if captions do, else nowhere.
        follow_links: read what symbolic links lead to outside the folder as well, for folders that are made of links.
        storage: how files are read.

    Raises:
        DataError: for a missing folder, and one without images or without such captions.
        ConfigError: for a caption field that a folder does not have.
    """

    def __init__(
        self,
        path: str,
        caption: FieldNames = "txt",
        name: str | None = None,
        metadata: Literal["json"] | None = None,
        follow_links: bool = False,
        storage: Storage | None = None,
    ) -> None:
        self.root = Path(path).expanduser()
        if not self.root.is_dir():
            raise DataError(f"{path}: no such folder on this machine" + ("; list images behind a URL in a table" if is_url(path) else ""))
        self.fields = CaptionFields(caption)
        if self.fields.needs_sidecar:
            raise ConfigError("caption: a folder has no parquet:COLUMN; give txt, json:PATH, or several of these")
        self._needs_json = self.fields.needs_json or metadata == "json"
        self.storage = storage if storage is not None else Storage()
        self.name = name if name is not None else self.root.resolve().name
        self._rows = pack(_with_neighbours(files_below(self.root, follow_links)), SCHEMA)
        if not len(self):
            raise DataError(f"{self.root}: no image in it; looked for {', '.join(IMAGE_SUFFIXES)}")
        require_captions(self, self.fields.advice(self._document_or_none(0)))

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def fingerprint(self) -> str:
        """Of the names and of where captions stand: the files themselves are too many to ask."""
        return digest(checksum(self._rows), self.fields.fields, self._needs_json)

    def location(self, index: int) -> str:
        return str(self.root / self.key(index))

    def key(self, index: int) -> str:
        return os.fsdecode(self._rows["image"][index].as_py())

    def captions(self, index: int) -> tuple[str, ...]:
        return self._read_captions(index, self._document(index))

    def metadata(self, index: int) -> Mapping[str, Any]:
        document = self._document(index)
        return document if isinstance(document, dict) else {}

    def __getitem__(self, index: int) -> Pair:
        document = self._document(index)
        captions, image = self._read_captions(index, document), self._read(index, "image")
        if not image:
            raise BadSample("image of zero bytes", self.key(index))
        return Pair(image, captions, self.key(index), self.name, document if isinstance(document, dict) else {})

    def _read_captions(self, index: int, document: Any) -> tuple[str, ...]:
        return self.fields.read(self.key(index), self._read(index, ".txt") if self.fields.needs_text else None, document)

    def _document(self, index: int) -> Any:
        content = self._read(index, ".json") if self._needs_json else None
        return parse_json(self.key(index), content) if content is not None else None

    def _document_or_none(self, index: int) -> Any:
        try:
            return self._document(index)
        except BadSample:
            return None

    def _read(self, index: int, which: str) -> bytes | None:
        """The image or a file beside it; None where there was none when the source was made."""
        name = self._rows[which][index].as_py()
        if name is None:
            return None
        try:
            return self.storage.read(str(self.root / os.fsdecode(name)))
        except StorageError as error:
            raise BadSample(f"{which} {error.cause}", self.key(index)) from None


def _with_neighbours(files: Iterator[str]) -> list[tuple[bytes, bytes | None, bytes | None]]:
    """Every image with the text and the JSON file that differ from it in the suffix only, sorted by the image's path."""
    images: list[str] = []
    beside: dict[str, dict[str, bytes]] = defaultdict(dict)
    for file in files:
        stem, suffix = os.path.splitext(file)
        if suffix.lower() in BESIDE:
            beside[stem][suffix.lower()] = os.fsencode(file)
        elif suffix.lower() in IMAGE_SUFFIXES:
            images.append(file)
    none: dict[str, bytes] = {}
    found = ((file, beside.get(os.path.splitext(file)[0], none)) for file in sorted(images))
    return [(os.fsencode(file), texts.get(".txt"), texts.get(".json")) for file, texts in found]


def files_below(root: Path, follow_links: bool) -> Iterator[str]:
    """Regular files below a folder, as paths from it with forward slashes; hidden resource forks of macOS are passed over."""
    home = os.path.realpath(root)
    visited, outside = {home}, 0
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(root / below) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        for entry in entries:
            path = f"{below}{entry.name}"
            if entry.is_symlink() and not follow_links and not _leads_inside(entry.path, home):
                outside += 1
            elif entry.is_dir():
                if (real := os.path.realpath(entry.path)) not in visited:  # links may lead in circles
                    visited.add(real)
                    waiting.append(f"{path}/")
            elif entry.is_file() and not entry.name.startswith("._"):
                yield path
    if outside:
        logger.warning("%s: %d symbolic links lead out of it and are left out; follow_links=true reads them", root, outside)


def _leads_inside(link: str, home: str) -> bool:
    return os.path.commonpath([os.path.realpath(link), home]) == home
