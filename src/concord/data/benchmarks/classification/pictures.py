"""Where the pictures of a labelled data set lie: in files, or in one array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import pyarrow as pa

from concord.data.readers.annotated import below
from concord.data.readers.cells import ImageCells, resolve
from concord.data.readers.packing import checksum, decoded, encoded, pack
from concord.data.source import PROBED, digest
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import DataError
from concord.types import RawImage

SCHEMA = pa.schema([("file", pa.large_binary())])


class Pictures(Protocol):
    """N numbered pictures."""

    def __len__(self) -> int: ...

    def key(self, index: int) -> str:
        """The name of one."""
        ...

    def location(self, index: int) -> str:
        """The file that holds it."""
        ...

    def fingerprint(self) -> str:
        """See `Fingerprinted`."""
        ...

    def read(self, index: int) -> RawImage:
        """One of them; raises `BadSample` where it cannot be read."""
        ...


class ImageFiles:
    """Pictures in files of their own. The key of each is its path below the folder.

    Args:
        root: the folder, or its URL; see `ImageCells` for what paths may not do.
        files: paths from there, with forward slashes.
        storage: reads them.
    """

    def __init__(self, root: str, files: Iterable[str], storage: Storage) -> None:
        self._cells = ImageCells(root, storage)
        self._files = pack(([encoded(file)] for file in files), SCHEMA)

    def __len__(self) -> int:
        return int(self._files.num_rows)

    def key(self, index: int) -> str:
        return decoded(self._files["file"][index].as_py())

    def location(self, index: int) -> str:
        return below(without_secrets(self._cells.root), self.key(index))

    def fingerprint(self) -> str:
        """Of the names: the files themselves are too many to ask."""
        return digest(checksum(self._files))

    def read(self, index: int) -> bytes:
        return self._cells.read(self.key(index), self.key(index))

    def require(self, origin: str) -> None:
        """Look for up to `PROBED` of the files.

        Raises:
            DataError: naming the file that lists them, when none is there.
        """
        if not any(self._is_there(index) for index in range(0, len(self), -(-len(self) // PROBED))):
            raise DataError(f"{without_secrets(origin)}: none of its images is there, such as {self.location(0)}; is the path right?")

    def _is_there(self, index: int) -> bool:
        try:
            path = resolve(self._cells.root, self.key(index))
            return path is not None and self._cells.storage.state(path).size >= 0
        except (StorageError, ValueError):  # a NUL in the name is a ValueError
            return False


class ImageArray:
    """Pictures in one array.

    Args:
        values: uint8 [N, H, W] or [N, H, W, 3].
        file: what it was read from.
        version: a text that changes with the content.

    Raises:
        DataError: for an array of another type or shape.
    """

    def __init__(self, values: np.ndarray, file: str, version: str) -> None:
        if values.dtype != np.uint8 or not (values.ndim == 3 or (values.ndim == 4 and values.shape[3] == 3)):
            raise DataError(f"{file}: images must be uint8 [N, H, W] or [N, H, W, 3], got {values.dtype} {list(values.shape)}")
        self._values = values
        self._file = without_secrets(file)
        self._version = version

    def __len__(self) -> int:
        return len(self._values)

    def key(self, index: int) -> str:
        return f"{self._file.rpartition('/')[2]}/{index}"

    def location(self, index: int) -> str:
        return f"{self._file} (image {index})"

    def fingerprint(self) -> str:
        return digest(self._version, list(self._values.shape))

    def read(self, index: int) -> np.ndarray:
        return self._values[index]  # type: ignore[no-any-return]
