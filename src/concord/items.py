"""Questions of a test: which text says what is in which image. Readers of data sets write them and benchmarks ask them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from concord.types import Pair

Form = Literal["texts", "images", "match", "set"]


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        key: its name, unique within its subset.
        form: what is asked.
            "texts": of one image, the first `right` texts must each beat all the others (SugarCrepe; SugarCrepe++ with 2). With
                0, no candidate is right and any answer wrong, as where a list of answers lacks the one that was given.
            "images": of one text, the first `right` images must each beat all the others (SVO-Probes, ImageCoDe).
            "match": image k belongs to text k; as many images as texts, at least 2 (Winoground).
            "set": of one text, the first `right` images are the answer; the `right` best ones are compared with them as a
            set (WinoGAViL).
        images: places in the images of the set.
        texts: the candidates, or the one question.
        right: how many of the first candidates are right; of no meaning for "match".
        subset: the part of the test that it is counted in.
        group: items that are averaged, or have to be right, together ("on", "photo 17"); "" for none.
        unit: what is independent of other units, such as the picture behind a crop; "" for the first image.
    """

    key: str
    form: Form
    images: tuple[int, ...]
    texts: tuple[str, ...]
    right: int = 1
    subset: str = ""
    group: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ValueError(f"form must be one of {', '.join(get_args(Form))}, got {self.form!r}")
        if self.form == "match":
            if len(self.images) != len(self.texts) or len(self.images) < 2:
                raise ValueError(f"{self.key}: a match needs as many images as texts, at least 2")
            return
        asked, candidates = (self.images, self.texts) if self.form == "texts" else (self.texts, self.images)
        if len(asked) != 1:
            raise ValueError(f"{self.key}: a question of form {self.form} asks about one {'image' if self.form == 'texts' else 'text'}")
        least = 0 if self.form == "texts" else 1
        if not least <= self.right < len(candidates):
            raise ValueError(f"{self.key}: right must lie in [{least}, {len(candidates) - 1}], got {self.right}")


class Images(Protocol):
    """The distinct images of a test, with random access; a source without captions."""

    @property
    def name(self) -> str: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Pair: ...


class ItemSet(Protocol):
    """A test: its images, each once, and the questions about them."""

    @property
    def name(self) -> str:
        """Stands in the names of the records."""
        ...

    @property
    def images(self) -> Images: ...
    @property
    def items(self) -> Sequence[Item]: ...


@dataclass(frozen=True)
class ComposedQuery:
    """One question of composed retrieval: the image that is like another one, but changed as a text says.

    Attributes:
        key: its name, unique within the set.
        reference: place of the image that is to be changed, in the images of the set.
        texts: the change in words. Several wordings say the same, and their embeddings are averaged (the two orders of
            FashionIQ's captions).
        targets: places of the images that are right. Where one of several is *the* target, it stands first (CIRCO).
        gallery: places of the images that are searched, each once; empty for all images of the set. Queries may share one
            tuple.
        keep_reference: whether the reference is one of the candidates (FashionIQ) or is left out (CIRR).
        group: places of the few images that look alike, the target among them (CIRR's subset of six); empty for none.
        subset: the part of the set that it is counted in ("dress"), or "".
        aspects: what the change is about, for further averages ("cardinality", "background").
    """

    key: str
    reference: int
    texts: tuple[str, ...]
    targets: tuple[int, ...]
    gallery: tuple[int, ...] = ()
    keep_reference: bool = False
    group: tuple[int, ...] = ()
    subset: str = ""
    aspects: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.texts or not self.targets:
            raise ValueError(f"{self.key}: a composed query needs at least one text and one target")
        if not self.keep_reference and self.reference in self.targets:
            raise ValueError(f"{self.key}: the reference is a target, but is left out of the search")
        if self.group and not set(self.targets) & set(self.group):
            raise ValueError(f"{self.key}: no target is in the group")


class ComposedSet(Protocol):
    """A test of composed retrieval: its images, each once, and the questions about them."""

    @property
    def name(self) -> str:
        """Stands in the names of the records."""
        ...

    @property
    def images(self) -> Images: ...
    @property
    def queries(self) -> Sequence[ComposedQuery]: ...


IGNORED = 255
"""In a mask, a pixel that does not count."""


class SegmentedSet(Protocol):
    """A test of segmentation: images, and of each pixel its class."""

    @property
    def name(self) -> str:
        """Stands in the names of the records."""
        ...

    @property
    def images(self) -> Images: ...

    @property
    def class_names(self) -> Sequence[str]:
        """By class, at most 255; several names of one with ", " between them."""
        ...

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Of one image, the class of each pixel, [H, W] with `IGNORED` where it does not count.

        Raises:
            DataError: for a mask that is missing or broken.
        """
        ...


class Region(NamedTuple):
    """A box in pixels, as COCO writes it: its left upper corner and its sides."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        return self.width * self.height

    def iou(self, other: Region) -> float:
        """Area of what both cover, over the area of what either covers."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        both = max(0.0, width) * max(0.0, height)
        either = self.area + other.area - both
        return both / either if either > 0 else 0.0


@dataclass(frozen=True)
class Reference:
    """A sentence about one thing in an image, and boxes to choose from.

    Attributes:
        key: its name, unique within its subset.
        image: place in the images of the set.
        sentence: what is said.
        regions: the boxes to choose from.
        gold: boxes of what is meant.
        subset: the part of the test that it is counted in.
    """

    key: str
    image: int
    sentence: str
    regions: tuple[Region, ...]
    gold: tuple[Region, ...]
    subset: str = ""

    def __post_init__(self) -> None:
        if not self.regions or not self.gold:
            raise ValueError(f"{self.key}: a reference needs boxes to choose from and a box that is meant")


class ReferenceSet(Protocol):
    """A test of sentences about things in images."""

    @property
    def name(self) -> str:
        """Stands in the names of the records."""
        ...

    @property
    def images(self) -> Images: ...
    @property
    def references(self) -> Sequence[Reference]: ...


@dataclass(frozen=True)
class SentencePair:
    """Two texts, and how alike people found them.

    Attributes:
        key: its name, unique within the set.
        first, second: the texts.
        score: higher is more alike, on any scale.
    """

    key: str
    first: str
    second: str
    score: float


class SentencePairs(Protocol):
    """A test of semantic similarity between texts."""

    @property
    def name(self) -> str:
        """Stands in the names of the records."""
        ...

    @property
    def pairs(self) -> Sequence[SentencePair]: ...
