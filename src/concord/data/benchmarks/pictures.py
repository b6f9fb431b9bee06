"""The distinct pictures of a test: each once, however many questions ask about it."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, Self, TypeVar

import numpy as np
from PIL import Image

from concord.data.readers.annotated import below
from concord.data.readers.cells import ImageCells, find_column, resolve
from concord.data.readers.row_groups import ParquetRows
from concord.data.source import BadSample, digest
from concord.data.storage.paths import is_url, without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError
from concord.images import decode
from concord.types import Pair, RawImage

ARRAY = ".npy"

CACHE = 320 << 20
"""Bytes of decoded Parquet columns that each reading process keeps."""


class Box(NamedTuple):
    """A part of a picture in pixels: its left upper corner and its sides, as Visual Genome writes it."""

    x: float
    y: float
    width: float
    height: float


class File(NamedTuple):
    """A picture in a file.

    Attributes:
        name: its path below the folder of images, with forward slashes.
        box: the part that is shown; None for all.
    """

    name: str
    box: Box | None = None


class Cell(NamedTuple):
    """A picture in a table.

    Attributes:
        row: its number.
        column: its name, or for a list in it "NAME.PLACE".
    """

    row: int
    column: str


Where = TypeVar("Where", bound=Hashable)


class Pictures(ABC, Generic[Where]):
    """A source without captions. A picture gets its number when it is first named.

    Args:
        name: for logs and metrics.
        wheres: where the pictures lie.
    """

    def __init__(self, name: str, wheres: Iterable[Where] = ()) -> None:
        self.name = name
        self._numbers: dict[Where, int] = {}
        self._wheres: list[Where] = []
        for where in wheres:
            self.add(where)

    def add(self, where: Where) -> int:
        """The number of a picture, a new one for a place that was not named yet."""
        if where not in self._numbers:
            self._numbers[where] = len(self._wheres)
            self._wheres.append(where)
        return self._numbers[where]

    def __len__(self) -> int:
        return len(self._wheres)

    def __getitem__(self, index: int) -> Pair:
        where = self._wheres[index]
        return Pair(self.read(where), (), self.key_of(where), self.name)

    def key(self, index: int) -> str:
        return self.key_of(self._wheres[index])

    def captions(self, index: int) -> tuple[str, ...]:
        return ()

    def has(self, number: int) -> bool:
        """Whether a picture is there, as far as that is known without a request."""
        return self.is_there(self._wheres[number])

    def missing(self) -> list[int]:
        """Numbers of the pictures that are known not to be there."""
        return [number for number in range(len(self)) if not self.has(number)]

    @abstractmethod
    def take(self, numbers: Sequence[int]) -> Self:
        """Some of the pictures, numbered anew in this order."""

    @abstractmethod
    def key_of(self, where: Where) -> str:
        """The name of a picture."""

    @abstractmethod
    def read(self, where: Where) -> RawImage:
        """A picture; raises `BadSample` where it cannot be read."""

    @abstractmethod
    def is_there(self, where: Where) -> bool:
        """See `has`."""

    @abstractmethod
    def fingerprint(self) -> str:
        """See `Fingerprinted`."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the pictures lie, for messages."""


class FilePictures(Pictures[File]):
    """Pictures in a folder or behind a URL.

    Args:
        name: for logs and metrics.
        root: the folder.
        storage: reads them.
        files: the pictures.
    """

    def __init__(self, name: str, root: str, storage: Storage, files: Iterable[File] = ()) -> None:
        self._cells = ImageCells(root, storage)
        super().__init__(name, files)

    @property
    def place(self) -> str:
        return without_secrets(self._cells.root)

    def file(self, name: str, box: Box | None = None) -> int:
        """The number of a picture, or of a part of one."""
        return self.add(File(name, box))

    def first_of(self, names: Sequence[str]) -> str:
        """The first of some names whose file is there, and the first of all where none is."""
        return next((name for name in names if self._exists(name)), names[0])

    def take(self, numbers: Sequence[int]) -> FilePictures:
        return FilePictures(self.name, self._cells.root, self._cells.storage, [self._wheres[number] for number in numbers])

    def key_of(self, where: File) -> str:
        return where.name if where.box is None else f"{where.name}@{','.join(f'{side:g}' for side in where.box)}"

    def read(self, where: File) -> RawImage:
        key = self.key_of(where)
        content = self._cells.read(key, where.name)
        image = _frame(content, key) if where.name.endswith(ARRAY) else content
        return image if where.box is None else _part(image, where.box, key)

    def is_there(self, where: File) -> bool:
        return is_url(self._cells.root) or self._exists(where.name)

    def location(self, index: int) -> str:
        return below(self.place, self._wheres[index].name)

    def fingerprint(self) -> str:
        return digest([self.key_of(where) for where in self._wheres])

    def _exists(self, name: str) -> bool:
        path = resolve(self._cells.root, name)
        if path is None:
            return False
        if not is_url(path):
            return os.path.isfile(path)
        try:
            return self._cells.storage.state(path).size > 0
        except StorageError:
            return False


class CellPictures(Pictures[Cell]):
    """Pictures in the cells of Parquet files, as Hugging Face's `datasets` writes them.

    Args:
        name: for logs and metrics.
        rows: the table.
        root: the folder of pictures that the table names instead of holding them.
        storage: reads these.
        cells: the pictures.
    """

    def __init__(self, name: str, rows: ParquetRows, root: str, storage: Storage, cells: Iterable[Cell] = ()) -> None:
        self._rows = rows
        self._cells = ImageCells(root, storage)
        super().__init__(name, cells)

    @property
    def place(self) -> str:
        return self._rows.place

    def cell(self, row: int, column: str) -> int:
        """The number of a picture."""
        return self.add(Cell(row, column))

    def take(self, numbers: Sequence[int]) -> CellPictures:
        cells = [self._wheres[number] for number in numbers]
        return CellPictures(self.name, self._rows, self._cells.root, self._cells.storage, cells)

    def key_of(self, where: Cell) -> str:
        return f"{self._rows.label(where.row)}/{where.column}"

    def read(self, where: Cell) -> RawImage:
        column = find_column(where.column, self._rows.columns, "image", self._rows.place)
        return self._cells.read(self.key_of(where), column.of(self._rows.read(where.row, [column.name])))

    def is_there(self, where: Cell) -> bool:
        return True

    def location(self, index: int) -> str:
        return self._rows.location(self._wheres[index].row)

    def fingerprint(self) -> str:
        return digest(self._rows.fingerprint(), self._wheres)


def _frame(content: bytes, key: str) -> np.ndarray:
    """A frame of a video as OpenCV gives it, blue first."""
    try:
        frame = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise BadSample("array cannot be read", key, " ".join(str(error).split())) from None
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise BadSample("array is no frame of uint8 [H, W, 3]", key)
    return np.ascontiguousarray(frame[:, :, ::-1])


def _part(content: RawImage, box: Box, key: str) -> Image.Image:
    """The part of a picture inside a box, without what of the box lies outside of the picture."""
    try:
        picture = decode(content)
    except DataError as error:
        raise BadSample("image cannot be decoded", key, str(error)) from None
    left, upper = max(0, round(box.x)), max(0, round(box.y))
    right, lower = min(picture.width, round(box.x + box.width)), min(picture.height, round(box.y + box.height))
    if left >= right or upper >= lower:
        raise BadSample("box lies outside of the image", key, f"{picture.width} x {picture.height} pixels")
    return picture.crop((left, upper, right, lower))
