"""Guarded: any source of pairs, of data that may not be shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from concord.access import Access, strictest
from concord.data.medical.keys import keyed
from concord.data.source import BadSample, KeyedSource, Source, block_sizes, fingerprint_of, metadata_at, read_captions
from concord.data.wrapper import Wrapper
from concord.types import Pair, role_of

T = TypeVar("T")


class Guarded(Wrapper):
    """A source of general form, such as shards, that holds guarded data (see `concord.access`): names become keyed hashes, and
    what goes wrong with an example is told without its file or anything else that is particular to it.

    Args:
        source: gives its keys without reading images.
        access: of its examples.
        metadata: names of those of its metadata that identify nobody; the others are left out.
        safe_roles: roles of those captions that are made of labels and templates alone: what may be kept as a vocabulary.
        name: for logs and metrics; the source's when not given.

    Raises:
        ValueError: for a source without keys.
    """

    def __init__(
        self,
        source: KeyedSource,
        access: Literal["restricted", "credentialed"],
        metadata: list[str] | None = None,
        safe_roles: list[str] | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(source, KeyedSource):
            raise ValueError(f"source must give keys without reading images, got {type(source).__name__}")
        self.source = source
        self._access: Access = access
        self.name = name if name is not None else source.name
        self._shown = frozenset(metadata or ())
        self._safe_roles = frozenset(safe_roles or ())

    def __len__(self) -> int:
        return len(self.source)

    @property
    def inside(self) -> Sequence[Source]:
        return [self.source]

    @property
    def access(self) -> Access:
        return strictest([self._access, super().access])

    def place(self, index: int) -> tuple[Source, int]:
        return self.source, index

    @property
    def block_sizes(self) -> Sequence[int]:
        return block_sizes(self.source)

    def fingerprint(self) -> str | None:
        return fingerprint_of(self.source)

    def key(self, index: int) -> str:
        return keyed(f"{self.name}/{self.source.key(index)}")

    def location(self, index: int) -> str:
        return self.name

    def captions(self, index: int) -> tuple[str, ...]:
        return self._quietly(index, self.source.captions)

    def safe_captions(self, index: int) -> tuple[str, ...]:
        return tuple(caption for caption in read_captions(self, index) if role_of(caption) in self._safe_roles)

    def metadata(self, index: int) -> Mapping[str, Any]:
        return self._safe(self._quietly(index, lambda place: metadata_at(self.source, place)))

    def __getitem__(self, index: int) -> Pair:
        pair = self._quietly(index, self.source.__getitem__)
        return replace(pair, key=self.key(index), source=self.name, metadata=self._safe(pair.metadata))

    def _safe(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in metadata.items() if name in self._shown}

    def _quietly(self, index: int, ask: Callable[[int], T]) -> T:
        try:
            return ask(index)
        except BadSample as bad:
            raise BadSample(bad.cause, self.key(index)) from None
