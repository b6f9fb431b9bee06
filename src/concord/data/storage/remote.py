"""Files behind URLs: parts of them, read through fsspec, with retries."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import fsspec
from fsspec.asyn import AsyncFileSystem, sync
from fsspec.registry import known_implementations

from concord.data.storage.paths import protocol_of, without_query
from concord.data.storage.states import FileState, StorageError
from concord.errors import ConcordError, DataError, MissingExtraError, nearest

T = TypeVar("T")

LONGEST_WAIT = 60.0  # seconds between two tries at most
RETRIED_STATUS = (408, 425, 429)  # of those below 500: the request took too long, came too early, or one of too many
VERSIONS = ("ETag", "etag", "Last-Modified", "LastModified", "last_modified", "mtime", "updated", "created", "commit_hash")
PLAIN_BYTES = {"client_kwargs": {"headers": {"Accept-Encoding": "identity"}}}  # a compressed answer has other offsets

_EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3")}


class Remote:
    """Asks stores for the state and for parts of their files.

    It may be pickled, and used after a fork: every process opens its own connections.

    Args:
        retries: how often a request is repeated that failed for a reason that may pass.
        backoff: seconds before the first repetition; every further one waits twice as long, up to a minute.
        timeout: seconds for one request.
        options: arguments of the fsspec file system.
    """

    def __init__(self, retries: int, backoff: float, timeout: float, options: Mapping[str, Any]) -> None:
        self.retries = retries
        self.backoff = backoff
        self.timeout = timeout
        self.options = dict(options)
        self._systems: dict[tuple[int, str], Any] = {}
        self._failed: dict[str, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_systems": {}, "_failed": {}}

    def state(self, url: str) -> FileState:
        """Size and version of a file; raises `StorageError`."""
        details: dict[str, Any] = self._patiently(url, lambda: self._ask(url, "info"))
        if not isinstance(details.get("size"), int):
            raise StorageError("the server does not tell the file's size", url)
        return FileState(details["size"], next((str(details[name]) for name in VERSIONS if details.get(name) is not None), ""))

    def read(self, url: str, offset: int, size: int) -> bytes:
        """Exactly `size` bytes, which must be there; raises `StorageError`."""
        return self._patiently(url, lambda: self._range(url, offset, size)) if size else b""

    def read_all(self, url: str) -> bytes:
        """A whole file; raises `StorageError`."""
        content: bytes = self._patiently(url, lambda: self._ask(url, "cat_file"))
        return content

    def glob(self, pattern: str) -> list[str]:
        """URLs that match a pattern, sorted; none where the place cannot be listed. Raises `StorageError`."""
        try:
            found: list[str] = self._patiently(pattern, lambda: self._ask(pattern, "glob"))
        except StorageError as error:
            if error.cause == NOT_FOUND:
                return []
            raise
        return sorted(self._system(pattern).unstrip_protocol(name) for name in found)

    def _range(self, url: str, offset: int, size: int) -> bytes:
        content: bytes = self._ask(url, "cat_file", start=offset, end=offset + size)
        if len(content) > size:
            raise _Hopeless("the server sends whole files instead of byte ranges")
        if len(content) < size:
            raise _Passing("answer was cut short")
        return content

    def _ask(self, url: str, method: str, **arguments: Any) -> Any:
        system = self._system(url)
        path = system._strip_protocol(url)
        if isinstance(system, AsyncFileSystem):
            return sync(system.loop, getattr(system, f"_{method}"), path, timeout=self.timeout, **arguments)
        return getattr(system, method)(path, **arguments)

    def _system(self, url: str) -> Any:
        """This process's connections to a store: sockets and threads do not survive a fork."""
        name = (os.getpid(), protocol_of(url))
        if name not in self._systems:
            self._systems[name] = _connect(name[1], self.options)
        return self._systems[name]

    def _patiently(self, url: str, ask: Callable[[], T]) -> T:
        place = without_query(url).split("/")[2]
        for wait in [*self._waits(place), None]:
            try:
                answer = ask()
            except ConcordError:
                raise
            except Exception as error:  # stores raise errors of their own classes
                cause, may_pass = diagnose(error)
                if not may_pass:
                    raise StorageError(cause, url) from None
                if wait is None:
                    self._failed[place] = time.monotonic()
                    raise StorageError(cause, url) from None
                time.sleep(wait)
            else:
                self._failed.pop(place, None)
                return answer
        raise AssertionError("unreachable")

    def _waits(self, place: str) -> list[float]:
        """Seconds before each repetition; none for a place that failed all of them a moment ago: else a store that is down
        would take minutes per example, and the run hours until it stops."""
        if time.monotonic() - self._failed.get(place, float("-inf")) < self.timeout:
            return []
        return [min(self.backoff * 2**count, LONGEST_WAIT) for count in range(self.retries)]


class _Passing(Exception):
    """A failure that may pass."""


class _Hopeless(Exception):
    """A failure that will stay."""


NOT_FOUND, DENIED = "file not found", "access denied"
LASTING = (ValueError, TypeError, NotImplementedError, IsADirectoryError, NotADirectoryError)


def diagnose(error: BaseException) -> tuple[str, bool]:
    """Why a request failed, in words that many files can share, and whether it may succeed when it is repeated."""
    error = _origin(error)
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return _from_status(status)
    if isinstance(error, _Passing | _Hopeless):
        return str(error), isinstance(error, _Passing)
    if isinstance(error, FileNotFoundError):
        return NOT_FOUND, False
    if isinstance(error, PermissionError):
        return DENIED, False
    if isinstance(error, TimeoutError):
        return "no answer in time", True
    return f"cannot be read ({type(error).__name__})", not isinstance(error, LASTING)


def _from_status(status: int) -> tuple[str, bool]:
    if status in (404, 410):
        return NOT_FOUND, False
    if status in (401, 403):
        return DENIED, False
    return f"server answers {status}", status >= 500 or status in RETRIED_STATUS


def _origin(error: BaseException) -> BaseException:
    """fsspec says "not found" of every failure to ask an HTTP server for a size; the true one is its cause."""
    cause = error.__cause__
    hidden = isinstance(cause, OSError | TimeoutError) or type(cause).__module__.partition(".")[0] == "aiohttp"
    return cause if isinstance(error, FileNotFoundError) and cause is not None and hidden else error


def _connect(protocol: str, options: Mapping[str, Any]) -> Any:
    if protocol in ("http", "https"):
        options = {**PLAIN_BYTES, **options}
    try:
        return fsspec.filesystem(protocol, skip_instance_cache=True, **options)
    except ImportError:
        raise _missing(protocol) from None
    except ValueError:
        raise DataError(f"{protocol}://: no such kind of URL; {nearest(protocol, known_implementations)}") from None
    except TypeError as error:
        raise DataError(f"{protocol}://: storage.options do not fit: {error}") from None


def _missing(protocol: str) -> MissingExtraError | DataError:
    if protocol in _EXTRAS:
        return MissingExtraError(*_EXTRAS[protocol])
    advice = known_implementations.get(protocol, {}).get("err", "a package of fsspec is missing")
    return DataError(f"{protocol}:// cannot be read: {' '.join(advice.split())}")
