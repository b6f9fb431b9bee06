"""The words of the house: what travels between data, models, objectives and benchmarks.

Dimensions: B pairs, V images or captions of one view of a pair, C channels, H x W pixels, L text positions,
N tokens, D tower width, E embedding width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

RawImage = bytes | Path | Image.Image | np.ndarray
"""An image as sources give it: encoded bytes, a file, a PIL picture, or an array [H, W, C] of uint8."""

ViewPosition = Literal["", "PA", "AP", "FRONTAL", "LATERAL", "OTHER"]
"""Projection of a radiograph; "" where nothing is known. FRONTAL is PA or AP where nobody says which; left and right laterals
(LL, RL) are LATERAL."""

VIEW_POSITIONS: tuple[ViewPosition, ...] = get_args(ViewPosition)

PatchAttention = Literal["vanilla", "value", "self", "clear"]
"""What the patches look at in the last block of a tower when they are read one by one: see `concord.models.patches`."""


class Caption(str):
    """A caption that knows which of its pair's captions it is.

    Attributes:
        role: "original", "rewrite", "synthetic", "long", a language code, or whatever the reader's configuration calls it; ""
            where nothing was said.
    """

    role: str

    def __new__(cls, text: str, role: str = "") -> Caption:
        caption = super().__new__(cls, text)
        caption.role = role
        return caption

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.role


def role_of(caption: str) -> str:
    """The role of a caption; "" for plain text."""
    return caption.role if isinstance(caption, Caption) else ""


@dataclass(frozen=True)
class Pair:
    """One raw example of a source: an image (still encoded), its captions (with roles where they are `Caption`s), and what is
    known about it."""

    image: RawImage
    captions: tuple[str, ...]
    key: str
    source: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageView:
    """A named way to look at the image of a pair.

    Args:
        recipe: which augmentation makes it, a key of `conf/augmentation/*.yaml` ("plain", "weak", "strong", "local", ...).
        count: V, how many independent draws. 1 gives [B, C, H, W]; more give [B, V, C, H, W].
    """

    recipe: str
    count: int = 1


@dataclass(frozen=True)
class TextView:
    """A named way to read the captions of a pair.

    Args:
        recipe: "caption" (one caption by the data module's policy), "sentence" (sentences of its long captions, else of it),
            "swapped" (a hard negative: two words of the caption change places).
        count: V, how many draws. 1 gives [B, L]; more give [B, V, L].
    """

    recipe: str
    count: int = 1


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in a value: alone, in tuples, lists, mappings and data classes, one in the other, in their order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from tensors_in(getattr(value, each.name))


class _TensorFields:
    """Moving and picking for the data classes below, whose fields are tensors, None, or plain values."""

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def tensors(self) -> list[Tensor]:
        """All tensors in it, in the order of the fields."""
        return list(tensors_in(self))

    def with_tensors(self, tensors: Iterable[Tensor]) -> Self:
        """The same with other tensors, in the order of `tensors()`."""
        others = iter(tensors)
        return self._map(lambda _: next(others))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            if isinstance(value, _TensorFields):
                return value._map(function)
            if isinstance(value, dict):
                return {key: apply(item) for key, item in value.items()}
            return value

        return type(self)(**{f.name: apply(getattr(self, f.name)) for f in fields(self)})  # type: ignore[arg-type]


@dataclass
class Tokens(_TensorFields):
    """Tokenised captions: `ids` [..., L] int64 and `mask` [..., L] bool, True at real tokens (start and end included).

    Padding is always on the right, so that the end-of-text token is the last True position.
    """

    ids: Tensor
    mask: Tensor

    @property
    def end(self) -> Tensor:
        """Position of the last real token, [...] int64."""
        return self.mask.sum(dim=-1) - 1

    def flatten(self) -> Tokens:
        """[B, V, L] as [B * V, L]; the captions of one pair stay neighbours."""
        return Tokens(self.ids.flatten(0, -2), self.mask.flatten(0, -2))


@dataclass
class Batch(_TensorFields):
    """The tensors of the views of B pairs.

    Attributes:
        keys: B names of the examples.
        images: by view, uint8 [B, C, H, W], or [B, V, C, H, W] for views with a count above one.
        texts: by view, tokens [B, L] or [B, V, L].
        valid: by text view that may be missing for some pair ("swapped"), bool [B] or [B, V]; False where a stand-in fills the row.
        sources: B names of the sources.
        groups: numbers int64 that are equal for what belongs together. "study": [B], of the pictures that one report is about;
            by text view: [B] or [B, V], of texts that say the same.
        view_positions: int64 [B], places in `VIEW_POSITIONS`; None for all unknown.
    """

    keys: list[str]
    images: dict[str, Tensor]
    texts: dict[str, Tokens]
    valid: dict[str, Tensor] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    groups: dict[str, Tensor] = field(default_factory=dict)
    view_positions: Tensor | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def pin_memory(self) -> Batch:
        return self._map(Tensor.pin_memory)


@dataclass
class Features(_TensorFields):
    """What a tower says of its input.

    Attributes:
        pooled: [B, D].
        tokens: [B, N, D]; for images the patches in row-major order without class or register tokens, for texts one per position.
        mask: [B, N] bool, True at tokens that count; None where all do.
    """

    pooled: Tensor
    tokens: Tensor
    mask: Tensor | None = None


@dataclass
class Embeddings(_TensorFields):
    """What a model keeps of M images or texts to compare them: enough for its similarity, nothing else.

    Attributes:
        vectors: [M, E] one vector each (unit length for cosine, the space part for Lorentz).
        tokens: [M, N, E] per-token vectors, where the similarity compares tokens; else None.
        mask: [M, N] bool, True at tokens that count; None where all do.
    """

    vectors: Tensor
    tokens: Tensor | None = None
    mask: Tensor | None = None

    def __len__(self) -> int:
        return self.vectors.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Embeddings:
        return self._map(lambda tensor: tensor[index])

    @staticmethod
    def cat(parts: Sequence[Embeddings]) -> Embeddings:
        """Put embeddings of several batches one after another; token axes are padded to the longest."""
        vectors = torch.cat([part.vectors for part in parts])
        if parts[0].tokens is None:
            return Embeddings(vectors)
        longest = max(part.tokens.shape[1] for part in parts if part.tokens is not None)
        tokens, masks = zip(*(_padded(part, longest) for part in parts), strict=True)
        return Embeddings(vectors, torch.cat(tokens), torch.cat(masks))


def _padded(part: Embeddings, length: int) -> tuple[Tensor, Tensor]:
    assert part.tokens is not None
    mask = part.mask if part.mask is not None else part.tokens.new_ones(part.tokens.shape[:2], dtype=torch.bool)
    missing = length - part.tokens.shape[1]
    return torch.nn.functional.pad(part.tokens, (0, 0, 0, missing)), torch.nn.functional.pad(mask, (0, missing))


@dataclass(frozen=True)
class Paper:
    """Where a method, an objective, a data set or a benchmark comes from."""

    title: str
    authors: str
    year: int
    link: str = ""
