"""Reading and embedding a data set: pictures are read and prepared in threads, ahead of the model."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
import torch

from concord.benchmarks.protocol import Featured, Preparing, Reader, Scorer
from concord.errors import DataError, IncompatibleError
from concord.images import encoded_bytes
from concord.types import Embeddings, Pair, RawImage

T = TypeVar("T")

CHUNK = 256
"""Pictures that are read and embedded together. The parts of the work never depend on the number of processes, so that its
result does not either."""

AHEAD = 1
"""Chunks that are prepared while the model embeds the one before, and chunks that are read ahead of these."""

ANSWERS = ("label", "labels")
"""Metadata that are right answers, and so part of what a data set is."""

Look = Literal["embedding", "features"]
"""What is kept of a picture: its embedding, or the image tower's output before the projection."""


@dataclass(frozen=True)
class Examples:
    """What a benchmark keeps of N examples; the pictures are read again where they are shown.

    Attributes:
        indices: [N] places in the reader.
        pairs: [N] the examples, without their pictures.
        images: [N] their embedded pictures.
        checksum: of keys, pictures, captions and labels (one or several), in order.
    """

    reader: Reader
    indices: list[int]
    pairs: list[Pair]
    images: Embeddings
    checksum: str = ""

    def __len__(self) -> int:
        return len(self.pairs)

    def picture(self, row: int) -> RawImage:
        """The image of one example, as the source gives it."""
        return self.reader[self.indices[row]].image

    def take(self, rows: Sequence[int]) -> Examples:
        """Some of the examples, in the order of the rows."""
        chosen = torch.tensor(rows)
        indices, pairs = [self.indices[row] for row in rows], [self.pairs[row] for row in rows]
        return Examples(self.reader, indices, pairs, self.images[chosen], self.checksum)


@dataclass(frozen=True)
class Embedded:
    """What a model made of n pictures.

    Attributes:
        rows: which of them it could embed.
        images: their embeddings; None where there is none.
        causes: why it could not embed others, and how many.
    """

    rows: list[int]
    images: Embeddings | None
    causes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Part:
    """What came of some neighbouring examples.

    Attributes:
        indices: [n] places in the reader of those that could be embedded.
        pairs: [n] the examples, without their pictures.
        images: [n] their embeddings; None where n is 0.
        causes: why others could not be embedded, and how many.
        checksum: of keys, pictures, captions and labels (one or several), in order.
        kept: whether an earlier run had embedded them.
    """

    indices: list[int]
    pairs: list[Pair]
    images: Embeddings | None
    causes: Counter[str]
    checksum: str
    kept: bool


class Shelf(Protocol):
    """Where embeddings are kept between runs."""

    def load_images(self, look: Look, checksums: Sequence[str]) -> Embedded | None:
        """What was made of the pictures with these checksums."""
        ...

    def keep_images(self, look: Look, checksums: Sequence[str], embedded: Embedded) -> None: ...


def embed_parts(
    reader: Reader, chunks: Sequence[Sequence[int]], scorer: Scorer, look: Look = "embedding", shelf: Shelf | None = None
) -> Iterator[Part]:
    """Read and embed chunks of examples, one after the other; what lies on the shelf is read only, and what is new is put there.

    Raises:
        IncompatibleError: for features of a scorer that has none.
    """
    if look == "features" and not isinstance(scorer, Featured):
        raise IncompatibleError(f"{reader.name}: this model shows no features before its projection; probe its embeddings instead")
    with _Ahead(reader, scorer, look, shelf) as ahead:
        for job in ahead.jobs(chunks):
            embedded = job.kept
            if embedded is None:
                embedded = _embed(scorer, [future.result() for future in job.preparing], look)
                if shelf is not None:
                    shelf.keep_images(look, [one.checksum for one in job.readable], embedded)
            yield _part(job, embedded)


@dataclass(frozen=True)
class _Seen:
    """An example that was read: its picture, or why there is none."""

    index: int
    pair: Pair
    picture: RawImage = b""
    checksum: str = ""
    cause: str | None = None


@dataclass(frozen=True)
class _Job:
    """A chunk that was read: what an earlier run made of it, or pictures on their way to the model."""

    readable: list[_Seen]
    causes: Counter[str]
    kept: Embedded | None
    preparing: list[Future[_Seen]]


class _Ahead:
    """Threads that read pictures, and bring them to the model's size, ahead of it."""

    def __init__(self, reader: Reader, scorer: Scorer, look: Look, shelf: Shelf | None) -> None:
        self.reader = reader
        self.scorer = scorer
        self.look = look
        self.shelf = shelf
        self.pool = ThreadPoolExecutor(_threads(), "reading")

    def __enter__(self) -> _Ahead:
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def jobs(self, chunks: Sequence[Sequence[int]]) -> Iterator[_Job]:
        """The chunks in order; while one is embedded, the next is prepared and the one after it read."""
        reading = ([self.pool.submit(self._read, index) for index in chunk] for chunk in chunks)
        return _ahead(self._job([future.result() for future in futures]) for futures in _ahead(reading))

    def _job(self, seen: Sequence[_Seen]) -> _Job:
        readable = [one for one in seen if one.cause is None]
        causes = Counter(one.cause for one in seen if one.cause is not None)
        kept = None if self.shelf is None else self.shelf.load_images(self.look, [one.checksum for one in readable])
        preparing = [self.pool.submit(self._prepare, one) for one in readable] if kept is None else []
        return _Job([replace(one, picture=b"") for one in readable], causes, kept, preparing)

    def _read(self, index: int) -> _Seen:
        try:
            pair = self.reader[index]
            return _Seen(index, replace(pair, image=b""), pair.image, _checksum(pair.image))
        except DataError as error:
            return _Seen(index, Pair(b"", (), ""), cause=_cause(error))

    def _prepare(self, seen: _Seen) -> _Seen:
        if not isinstance(self.scorer, Preparing):
            return seen
        try:
            return replace(seen, picture=self.scorer.prepare(seen.picture))
        except DataError as error:
            return replace(seen, cause=_cause(error))


def _embed(scorer: Scorer, seen: Sequence[_Seen], look: Look) -> Embedded:
    causes = Counter(one.cause for one in seen if one.cause is not None)
    pictures = [(row, one.picture) for row, one in enumerate(seen) if one.cause is None]
    rows, embedded = _embed_readable(scorer, pictures, causes, look)
    return Embedded(rows, Embeddings.cat(embedded) if embedded else None, causes)


def _embed_readable(
    scorer: Scorer, pictures: list[tuple[int, RawImage]], causes: Counter[str], look: Look
) -> tuple[list[int], list[Embeddings]]:
    """The pictures embedded, and their rows; where one is broken, by halves, until the broken ones stand alone."""
    if not pictures:
        return [], []
    images = [image for _, image in pictures]
    try:
        if look == "features":
            assert isinstance(scorer, Featured)
            return [row for row, _ in pictures], [scorer.embed_features(images)]
        return [row for row, _ in pictures], [scorer.embed_images(images)]
    except DataError as error:
        if len(pictures) == 1:
            causes[_cause(error)] += 1
            return [], []
    half = len(pictures) // 2
    first, second = (_embed_readable(scorer, part, causes, look) for part in (pictures[:half], pictures[half:]))
    return first[0] + second[0], first[1] + second[1]


def _part(job: _Job, embedded: Embedded) -> Part:
    seen = [job.readable[row] for row in embedded.rows]
    hashed = blake2b(digest_size=16)
    for one in seen:
        for word in (one.pair.key, *one.pair.captions, *(str(one.pair.metadata.get(name, "")) for name in ANSWERS), one.checksum):
            hashed.update(word.encode("utf-8", "backslashreplace") + b"\0")
    causes, kept = job.causes + embedded.causes, job.kept is not None
    return Part([one.index for one in seen], [one.pair for one in seen], embedded.images, causes, hashed.hexdigest(), kept)


def _checksum(image: RawImage) -> str:
    """Of a picture as the reader gives it: two with the same look the same to every model."""
    hashed = blake2b(encoded_bytes(image), digest_size=16)
    if isinstance(image, np.ndarray):
        hashed.update(repr(image.shape).encode())
    elif not isinstance(image, bytes | Path):
        hashed.update(repr((image.mode, image.size, image.getpalette())).encode())
    return hashed.hexdigest()


def _cause(error: DataError) -> str:
    """What is wrong, in words that many examples share where the reader has such."""
    return str(getattr(error, "cause", error))


def _ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, each made before the one before it is handed out."""
    waiting: deque[T] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > AHEAD:
            yield waiting.popleft()
    yield from waiting


def _threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
