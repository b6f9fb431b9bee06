"""Questions of a test: which text says what is in which image. Readers of data sets write them and benchmarks ask them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from concord.types import Pair

Form = Literal["texts", "images", "match", "set"]


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        key: its name, unique within its subset.
        form: what is asked.
            "texts": of one image, the first `right` texts must each beat all the others (SugarCrepe; SugarCrepe++ with 2).
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
        if not 1 <= self.right < len(candidates):
            raise ValueError(f"{self.key}: right must lie in [1, {len(candidates) - 1}], got {self.right}")


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
