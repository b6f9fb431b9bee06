"""What a prepared folder holds, with a checksum per file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from concord.errors import DataError
from concord.files import write_json

NAME = "manifest.json"


@dataclass(frozen=True)
class File:
    """A file that was written whole."""

    name: str
    examples: int
    bytes: int
    sha256: str

    @staticmethod
    def of(path: Path, examples: int) -> File:
        return File(path.name, examples, path.stat().st_size, checksum(path))

    def is_in(self, folder: Path) -> bool:
        """Whether the file lies there, and is the same."""
        path = folder / self.name
        return path.is_file() and path.stat().st_size == self.bytes and checksum(path) == self.sha256


@dataclass(frozen=True)
class Manifest:
    """The content of `manifest.json`. It holds no times: the same input gives the same bytes.

    Attributes:
        plan: what was asked for: `options`, `source` and the version of `concord`.
        examples: that were written.
        bad: examples that were left out, by cause; `bad.jsonl` names them.
        files: in the order of the examples.
    """

    plan: dict[str, Any]
    examples: int
    bad: dict[str, int] = field(default_factory=dict)
    files: tuple[File, ...] = ()

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)

    def write(self, folder: Path) -> None:
        write_json(folder / NAME, asdict(self))

    @staticmethod
    def read(folder: Path) -> Manifest:
        """The manifest of a prepared folder.

        Raises:
            DataError: when there is none, or it cannot be read.
        """
        path = folder / NAME
        if not path.is_file():
            raise DataError(f"{folder} is not a prepared folder: it has no {NAME}")
        try:
            content: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            files = tuple(File(**file) for file in content["files"])
            return Manifest(content["plan"], content["examples"], content["bad"], files)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def verify(folder: Path) -> Iterator[File]:
    """Check a prepared folder file by file; each is handed out once it is found whole.

    Raises:
        DataError: naming the first file that is missing, has changed, or does not belong there.
    """
    manifest = Manifest.read(folder)
    listed = {file.name for file in manifest.files}
    suffixes = {Path(name).suffix for name in listed}
    for path in sorted(folder.iterdir()):
        if path.suffix in suffixes and path.name not in listed:
            raise DataError(f"{path} is not in {NAME}; readers would take it for a part of the data, so remove it")
    for file in manifest.files:
        if not (folder / file.name).is_file():
            raise DataError(f"{folder / file.name} is missing; prepare the data again or copy the file again")
        if not file.is_in(folder):
            raise DataError(f"{folder / file.name} has changed since it was written; prepare the data again or copy the file again")
        yield file


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal, as `sha256sum` prints it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
