"""What every data set looks like to the loader: numbered pairs, any of which may turn out to be unreadable."""

from __future__ import annotations

from collections import Counter
from typing import Protocol, runtime_checkable

from concord.errors import DataError
from concord.types import Pair

PROBED = 100
"""How many examples are looked at before training to tell a broken data set from a broken example."""


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


@runtime_checkable
class Source(Protocol):
    """A data set with random access."""

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


def read_captions(source: Source, index: int) -> tuple[str, ...]:
    """The captions of one example, by the cheapest way that the source offers; empty when it has none."""
    try:
        return source.captions(index) if isinstance(source, KeyedSource) else source[index].captions
    except BadSample:
        return ()


def require_captions(source: KeyedSource, advice: str) -> None:
    """Look at up to `PROBED` examples spread over the source and refuse it when none of them has a caption.

    Raises:
        DataError: with the commonest cause and the advice.
    """
    causes: Counter[str] = Counter()
    for index in range(0, len(source), max(1, len(source) // PROBED)):
        try:
            source.captions(index)
        except BadSample as bad:
            causes[bad.cause] += 1
        else:
            return
    raise DataError(f"{source.name}: no usable caption in {causes.total()} examples ({causes.most_common(1)[0][0]}); {advice}")
