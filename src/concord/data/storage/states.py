"""What is known of a file before it is read, and what is said when it cannot be."""

from __future__ import annotations

from typing import NamedTuple

from concord.data.storage.paths import without_secrets
from concord.errors import DataError


class FileState(NamedTuple):
    """What tells one version of a file from another.

    Attributes:
        size: in bytes.
        version: changes when the content does: the time of the last change, or a store's etag.
    """

    size: int
    version: str


class StorageError(DataError):
    """A file that could not be read, after all retries.

    Args:
        cause: in words that many files can share, such as "file not found"; without the file's name.
        path: the file or URL. Passwords and query strings are left out of the message and of the attribute.
    """

    def __init__(self, cause: str, path: str) -> None:
        self.cause = cause
        self.path = without_secrets(path)
        super().__init__(f"{self.path}: {cause}")

    def __reduce__(self) -> tuple[type[StorageError], tuple[str, str]]:
        return StorageError, (self.cause, self.path)
