"""What every data set looks like to the loader: numbered pairs, any of which may turn out to be unreadable."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Protocol, TypeGuard, runtime_checkable

from concord.access import is_guarded
from concord.errors import DataError
from concord.types import Pair

PROBED = 100
"""How many examples are looked at before training to tell a broken data set from a broken example."""

NO_CAPTION = "no caption"
"""The cause of a `BadSample` that has an image and no text."""


class BadSample(DataError):
    """One example that cannot be used. The loader puts another in its place and counts the cause.

    Args:
        cause: what is wrong, in words that many examples can share, such as "no caption".
        key: the example's name.
        detail: what is particular to this example.
    """

    def __init__(self, cause: str, key: str, detail: str = "") -> None:
        super().__init__(cause, key, detail)
        self.cause = cause
        self.key = key
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.key}: {self.cause}" + (f" ({self.detail})" if self.detail else "")

    def of(self, source: Source) -> BadSample:
        """As it may be told of an example of this source: of a guarded one without the detail; see `concord.access`."""
        return BadSample(self.cause, self.key) if is_guarded(source) else self


@runtime_checkable
class Source(Protocol):
    """A data set with random access. Several threads may ask at once."""

    @property
    def name(self) -> str:
        """Short name for logs and metrics."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair:
        """The example at `index`, in [0, len).

        Raises:
            BadSample: when it cannot be used.
        """


@runtime_checkable
class KeyedSource(Source, Protocol):
    """A source that tells an example's name and captions without reading its image."""

    def key(self, index: int) -> str: ...

    def captions(self, index: int) -> tuple[str, ...]:
        """The captions of the example at `index`; raises `BadSample` when it has none."""


@runtime_checkable
class Blocked(Protocol):
    """A source that is stored in blocks of neighbouring examples, such as shards or row groups, which are cheap to read together."""

    @property
    def block_sizes(self) -> Sequence[int]:
        """Examples in each block, in the order of the index; they add up to the length."""


@runtime_checkable
class Described(Protocol):
    """A source that tells what is known about an example without reading its image."""

    def metadata(self, index: int) -> Mapping[str, Any]:
        """What `Pair.metadata` of the example at `index` will be.

        Raises:
            BadSample: when it cannot be read.
        """


@runtime_checkable
class Fingerprinted(Protocol):
    """A source that can tell whether it is still the same."""

    def fingerprint(self) -> str | None:
        """A short text that changes when an example, a caption or their order do; None where that cannot be told.

        It is cheap: made from names, sizes and versions of files, not from their contents.
        """


@runtime_checkable
class Located(Protocol):
    """A source that tells where an example lies without reading anything."""

    def location(self, index: int) -> str:
        """The file or URL that holds the example at `index`, such as its shard."""


@runtime_checkable
class Speaking(Protocol):
    """A source that tells which captions were written about somebody; see `concord.access`."""

    def safe_captions(self, index: int) -> tuple[str, ...]:
        """Captions of the example at `index` that are made of labels and templates alone."""


@runtime_checkable
class Composed(Protocol):
    """A source made of several others."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """What it is made of, by name."""


def is_keyed(source: Source) -> TypeGuard[KeyedSource]:
    """As `isinstance(source, KeyedSource)`, which takes too long (0.04 ms) to be asked for every example."""
    return hasattr(source, "key") and hasattr(source, "captions")


def is_described(source: Source) -> TypeGuard[Described]:
    """As `isinstance(source, Described)`; see `is_keyed`."""
    return hasattr(source, "metadata")


def block_sizes(source: Source) -> Sequence[int]:
    """The blocks of a source; one block for a source that has none."""
    return source.block_sizes if isinstance(source, Blocked) else [len(source)]


def key_of(source: Source, index: int) -> str:
    """The name of one example, by the cheapest way that the source offers.

    Raises:
        BadSample: when only reading the example would tell, and it cannot be read.
    """
    return source.key(index) if is_keyed(source) else source[index].key


def captions_at(source: Source, index: int) -> tuple[str, ...]:
    """The captions of one example, by the cheapest way that the source offers.

    Raises:
        BadSample: when it has none, or cannot be read.
    """
    return source.captions(index) if is_keyed(source) else source[index].captions


def read_captions(source: Source, index: int) -> tuple[str, ...]:
    """As `captions_at`, and empty for an example that cannot be read."""
    try:
        return captions_at(source, index)
    except BadSample:
        return ()


def safe_captions_at(source: Source, index: int) -> tuple[str, ...]:
    """Those captions of one example that a vocabulary may be learned from, as it is kept and passed on: of an open source all
    that can be read, of a guarded one those of which it says that they were not written about anybody."""
    if not is_guarded(source):
        return read_captions(source, index)
    return source.safe_captions(index) if isinstance(source, Speaking) else ()


def metadata_at(source: Source, index: int) -> Mapping[str, Any]:
    """What is known about one example, by the cheapest way that the source offers.

    Raises:
        BadSample: when it cannot be read.
    """
    return source.metadata(index) if is_described(source) else source[index].metadata


def location_of(source: Source, index: int) -> str:
    """Where one example lies, as far as that is known without reading anything: at least the source's name."""
    return source.location(index) if isinstance(source, Located) else source.name


def fingerprint_of(source: Source) -> str | None:
    """See `Fingerprinted`; None for a source that is not."""
    return source.fingerprint() if isinstance(source, Fingerprinted) else None


def digest(*parts: Any) -> str:
    """A short text that stands for plain values: the same on every machine, another for other values."""
    return blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()


def number_for(text: str) -> int:
    """64 bits that stand for any text, the same on every machine: of millions of texts two hardly ever get the same."""
    return int.from_bytes(blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).digest(), "big")


def probes(source: Source) -> Iterator[tuple[Source, int]]:
    """Places of up to `PROBED` examples spread over a source; of a source made of several, over each of them."""
    if isinstance(source, Composed):
        for part in source.sources.values():
            yield from probes(part)
        return
    yield from ((source, index) for index in range(0, len(source), -(-len(source) // PROBED) or 1))


def require_captions(source: KeyedSource, advice: str) -> None:
    """Look at up to `PROBED` examples spread over the source and refuse it when none of them has a caption.

    Raises:
        DataError: with the commonest cause and the advice.
    """
    causes: Counter[str] = Counter()
    for part, index in probes(source):
        try:
            captions_at(part, index)
        except BadSample as bad:
            causes[bad.cause] += 1
        else:
            return
    raise DataError(f"{source.name}: no usable caption in {causes.total()} examples ({causes.most_common(1)[0][0]}); {advice}")
