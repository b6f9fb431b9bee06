"""A folder of images with their captions beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from concord.data.captions import CaptionFields, parse_json
from concord.data.source import BadSample, require_captions
from concord.errors import DataError
from concord.types import Pair

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class Folder:
    """Images in a folder and its subfolders; the captions of a/b.jpg stand in a/b.txt or a/b.json.

    Args:
        path: the folder.
        caption: "txt", "json:PATH", or a list of them; see `CaptionFields`.
        name: for logs and metrics; the folder's name when not given.

    Raises:
        DataError: for a missing folder, and one without images or without such captions.
    """

    def __init__(self, path: str, caption: str | list[str] = "txt", name: str | None = None) -> None:
        self.root = Path(path).expanduser()
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder")
        self.fields = CaptionFields(caption)
        self.name = name if name is not None else self.root.resolve().name
        files = (file for file in self.root.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith("._"))
        self._keys = sorted(file.relative_to(self.root).as_posix() for file in files)
        if not self._keys:
            raise DataError(f"{self.root}: no image in it; looked for {', '.join(IMAGE_SUFFIXES)}")
        require_captions(self, self.fields.advice(self._document_or_none(0)))

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, index: int) -> str:
        return self._keys[index]

    def captions(self, index: int) -> tuple[str, ...]:
        return self.fields.read(self._keys[index], self._beside(index, ".txt"), self._document(index))

    def __getitem__(self, index: int) -> Pair:
        return Pair(self.root / self._keys[index], self.captions(index), self._keys[index], self.name)

    def _document(self, index: int) -> Any:
        content = self._beside(index, ".json") if self.fields.needs_json else None
        return parse_json(self._keys[index], content) if content is not None else None

    def _document_or_none(self, index: int) -> Any:
        try:
            return self._document(index)
        except BadSample:
            return None

    def _beside(self, index: int, suffix: str) -> bytes | None:
        try:
            return (self.root / self._keys[index]).with_suffix(suffix).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadSample(f"{suffix} cannot be read ({type(error).__name__})", self._keys[index]) from None
