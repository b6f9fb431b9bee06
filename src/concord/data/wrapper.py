"""Sources made of other sources: one place that passes on what the sources inside can tell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from concord.access import Access, access_of, strictest
from concord.data.source import (
    Source,
    block_sizes,
    captions_at,
    digest,
    fingerprint_of,
    key_of,
    location_of,
    metadata_at,
    safe_captions_at,
)
from concord.types import Pair


class Wrapper(ABC):
    """Examples that stand in other sources. A subclass says where each stands; all that is asked of it is asked there.

    It can be asked for keys, captions and metadata whatever the sources inside are; where one of them cannot tell them
    without reading its images, the image is read.
    """

    name: str

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def inside(self) -> Sequence[Source]:
        """The sources that the examples stand in."""

    @abstractmethod
    def place(self, index: int) -> tuple[Source, int]:
        """The source that holds the example at `index`, and where in it."""

    @property
    @abstractmethod
    def block_sizes(self) -> Sequence[int]:
        """See `Blocked`."""

    @abstractmethod
    def fingerprint(self) -> str | None:
        """See `Fingerprinted`."""

    @property
    def access(self) -> Access:
        """The strictest of the sources inside."""
        return strictest(map(access_of, self.inside))

    def __getitem__(self, index: int) -> Pair:
        source, place = self.place(index)
        return source[place]

    def key(self, index: int) -> str:
        return key_of(*self.place(index))

    def captions(self, index: int) -> tuple[str, ...]:
        return captions_at(*self.place(index))

    def safe_captions(self, index: int) -> tuple[str, ...]:
        return safe_captions_at(*self.place(index))

    def metadata(self, index: int) -> Mapping[str, Any]:
        return metadata_at(*self.place(index))

    def location(self, index: int) -> str:
        return location_of(*self.place(index))


class Selection(Wrapper):
    """Some examples of a source, in its order. Blocks of which nothing is selected are left out.

    Args:
        source: what is selected from.
        indices: of the examples, rising, int64 [n].
    """

    def __init__(self, source: Source, indices: np.ndarray) -> None:
        self.source = source
        self.name = source.name
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def inside(self) -> Sequence[Source]:
        return [self.source]

    def place(self, index: int) -> tuple[Source, int]:
        return self.source, int(self.indices[index])

    @property
    def block_sizes(self) -> list[int]:
        ends = np.searchsorted(self.indices, np.cumsum(block_sizes(self.source)))
        sizes = np.diff(ends, prepend=0)
        return sizes[sizes > 0].tolist()

    def fingerprint(self) -> str | None:
        inner = fingerprint_of(self.source)
        return digest(inner, blake2b(self.indices.tobytes()).hexdigest()) if inner is not None else None
