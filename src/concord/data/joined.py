"""Several sources, one after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from concord.data.source import Source, block_sizes, digest, fingerprint_of
from concord.data.wrapper import Wrapper


class Joined(Wrapper):
    """Several sources one after another as one, such as all data sets of a modality as one part of a `Mixture`.

    The index of an example is its index in its source after the examples of the sources before. Pairs keep the names of their
    sources.

    Args:
        sources: by name.
        name: for logs and metrics; the names of the sources when not given.

    Raises:
        ValueError: for no source, and a source without examples.
    """

    def __init__(self, sources: dict[str, Source], name: str | None = None) -> None:
        if not sources:
            raise ValueError("sources must name at least one, as in +source@data.source.sources.NAME=shards")
        for part, source in sources.items():
            if len(source) == 0:
                raise ValueError(f"sources: {part} holds no example")
        self.sources = dict(sources)
        self.name = name if name is not None else "+".join(sources)
        self._parts = list(sources.values())
        self._ends = np.cumsum([len(source) for source in self._parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def inside(self) -> Sequence[Source]:
        return self._parts

    def place(self, index: int) -> tuple[Source, int]:
        part = self._part(index)
        return self._parts[part], index - self._start(part)

    @property
    def block_sizes(self) -> list[int]:
        return [size for source in self._parts for size in block_sizes(source)]

    def fingerprint(self) -> str | None:
        inner = {name: fingerprint_of(source) for name, source in self.sources.items()}
        return digest(inner) if None not in inner.values() else None

    def _part(self, index: int) -> int:
        return int(np.searchsorted(self._ends, index, side="right"))

    def _start(self, part: int) -> int:
        return int(self._ends[part - 1]) if part > 0 else 0
