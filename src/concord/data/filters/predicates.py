"""Filters that look at one example alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from concord.data.filters.candidate import Candidate, number


@runtime_checkable
class Predicate(Protocol):
    """Whether an example is kept, from this example alone. Its `repr` tells all its settings: what it dropped is remembered by it.

    Several threads may ask at once.
    """

    def __call__(self, candidate: Candidate) -> bool: ...


@runtime_checkable
class OnField(Protocol):
    """A filter that reads a field of the metadata; examples without the field are dropped."""

    @property
    def field(self) -> str:
        """Dotted keys of the metadata."""


@dataclass(frozen=True)
class ImageSize:
    """Keeps images whose sides lie in a range.

    Args:
        min_side: least length of the shorter side, in pixels.
        max_side: greatest length of the longer side, in pixels; None for any.
    """

    min_side: int = 64
    max_side: int | None = None

    def __post_init__(self) -> None:
        if self.min_side < 1:
            raise ValueError(f"min_side must be at least 1, got {self.min_side}")
        if self.max_side is not None and self.max_side < self.min_side:
            raise ValueError(f"max_side must be at least min_side {self.min_side}, got {self.max_side}")

    def __call__(self, candidate: Candidate) -> bool:
        return min(candidate.size) >= self.min_side and (self.max_side is None or max(candidate.size) <= self.max_side)


@dataclass(frozen=True)
class AspectRatio:
    """Keeps images whose longer side is at most `max` times the shorter one."""

    max: float = 3.0

    def __post_init__(self) -> None:
        if not 1 <= self.max < math.inf:
            raise ValueError(f"max must be at least 1, got {self.max}")

    def __call__(self, candidate: Candidate) -> bool:
        width, height = candidate.size
        return width <= self.max * height and height <= self.max * width


@dataclass(frozen=True)
class CaptionLength:
    """Keeps examples by the length of their captions.

    Args:
        min, max: least and greatest length; a max of None allows any.
        unit: what is counted; words stand between white space.
        which: whether all captions of an example must lie in the range, or any one of them. An example without captions is
            dropped.
    """

    min: int = 1
    max: int | None = None
    unit: Literal["words", "characters"] = "words"
    which: Literal["all", "any"] = "all"

    def __post_init__(self) -> None:
        if self.min < 1:
            raise ValueError(f"min must be at least 1, got {self.min}")
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max must be at least min {self.min}, got {self.max}")

    def __call__(self, candidate: Candidate) -> bool:
        fitting = [self._fits(caption) for caption in candidate.captions]
        return bool(fitting) and (all(fitting) if self.which == "all" else any(fitting))

    def _fits(self, caption: str) -> bool:
        length = len(caption.split()) if self.unit == "words" else len(caption)
        return self.min <= length and (self.max is None or length <= self.max)


@dataclass(frozen=True)
class Language:
    """Keeps examples by a language tag among their metadata.

    Args:
        field: dotted keys of the tag.
        values: tags to keep, in any case. A tag without a region keeps all its regions: "en" keeps "en-GB" and "en_US".
    """

    field: str
    values: list[str]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values must name at least one language, got []")

    def __call__(self, candidate: Candidate) -> bool:
        tag = candidate.field(self.field)
        if not isinstance(tag, str):
            return False
        normal = _normal_tag(tag)
        return any(normal == value or normal.startswith(f"{value}-") for value in map(_normal_tag, self.values))


@dataclass(frozen=True)
class Score:
    """Keeps examples by a number among their metadata, such as the similarity of image and caption or an aesthetic score.

    Args:
        field: dotted keys of the number, which may be written as text.
        min, max: least and greatest value that is kept; None for any.
    """

    field: str
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if self.min is None and self.max is None:
            raise ValueError("min or max must be given, got neither")
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError(f"max must be at least min {self.min}, got {self.max}")

    def __call__(self, candidate: Candidate) -> bool:
        value = number(candidate.field(self.field))
        if value is None:
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


def _normal_tag(tag: str) -> str:
    return tag.strip().lower().replace("_", "-")
