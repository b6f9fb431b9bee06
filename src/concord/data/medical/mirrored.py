"""Mirrored: every example a second time as its mirror image, with left and right exchanged in what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from concord.access import is_guarded
from concord.data.medical.sides import exchange_known, exchange_sides
from concord.data.source import BadSample, Source, block_sizes, digest, fingerprint_of
from concord.data.wrapper import Wrapper
from concord.errors import DataError
from concord.images import decode
from concord.types import Caption, Pair, RawImage, role_of

SUFFIX = "/mirrored"
"""Behind the key of an example that stands for its mirror image."""


class Mirrored(Wrapper):
    """A source in which each example is followed by its mirror image, whose captions have left and right exchanged.

    A horizontal flip for pictures of which the texts name sides: with the augmentation alone the texts would be wrong. A model
    that sees both learns that sides are told by the picture.

    It cannot mend what sides mean beyond words. In the mirror image of a chest radiograph or of an abdominal CT the heart is on the
    right and the liver on the left, as in one of 10,000 people; letters burned in (L, R) are reversed; left and right lung have
    other numbers of lobes. It suits pairs of organs that are alike (breasts, kidneys, eyes, limbs) more than the trunk. Texts
    that name sides in ways that `exchange_sides` does not know stay as they were, and are then untrue of the mirror image.

    metadata: the values of `exchanged`, `class_name`, and `label` or `labels` where the names of classes tell the sides.

    Args:
        source: the pairs.
        exchanged: keys of metadata whose values name sides.
    """

    def __init__(self, source: Source, exchanged: Sequence[str] = ("laterality", "side", "eye", "report")) -> None:
        self.source = source
        self.name = source.name
        self.exchanged = ("class_name", *exchanged)
        self.class_names: list[str] = list(getattr(source, "class_names", ()))
        self._other = [_place(exchange_sides(name), self.class_names, place) for place, name in enumerate(self.class_names)]

    def __len__(self) -> int:
        return 2 * len(self.source)

    @property
    def inside(self) -> Sequence[Source]:
        return [self.source]

    def place(self, index: int) -> tuple[Source, int]:
        return self.source, range(len(self))[index] // 2

    @property
    def block_sizes(self) -> Sequence[int]:
        return [2 * size for size in block_sizes(self.source)]

    def fingerprint(self) -> str | None:
        inner = fingerprint_of(self.source)
        return digest(inner, "mirrored", self.exchanged) if inner is not None else None

    def __getitem__(self, index: int) -> Pair:
        """The pair at `index`: that of the source for even ones, else its mirror image, a PIL picture.

        Raises:
            BadSample: as the source does, and for an image that cannot be decoded.
        """
        pair = super().__getitem__(index)
        if not self.is_mirrored(index):
            return pair
        key = pair.key + SUFFIX
        captions, known = _exchanged(pair.captions), self._known(pair.metadata)
        return replace(pair, image=self._flipped(pair.image, key), captions=captions, key=key, metadata=known)

    def is_mirrored(self, index: int) -> bool:
        """Whether the example at `index` is a mirror image."""
        return range(len(self))[index] % 2 == 1

    def key(self, index: int) -> str:
        return super().key(index) + (SUFFIX if self.is_mirrored(index) else "")

    def captions(self, index: int) -> tuple[str, ...]:
        captions = super().captions(index)
        return _exchanged(captions) if self.is_mirrored(index) else captions

    def safe_captions(self, index: int) -> tuple[str, ...]:
        captions = super().safe_captions(index)
        return _exchanged(captions) if self.is_mirrored(index) else captions

    def metadata(self, index: int) -> Mapping[str, Any]:
        known = super().metadata(index)
        return self._known(known) if self.is_mirrored(index) else known

    def _known(self, known: Mapping[str, Any]) -> dict[str, Any]:
        exchanged = exchange_known(known, self.exchanged)
        if self._other and isinstance(known.get("label"), int):
            exchanged["label"] = self._other[known["label"]]
        if self._other and known.get("labels") is not None and len(known["labels"]) == len(self._other):
            exchanged["labels"] = [known["labels"][other] for other in self._other]
        return exchanged

    def _flipped(self, image: RawImage, key: str) -> Image.Image:
        try:
            return decode(image).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        except DataError as error:
            raise BadSample("image cannot be decoded", key, "" if is_guarded(self) else str(error)) from None


def _exchanged(captions: Sequence[str]) -> tuple[str, ...]:
    """With their roles."""
    return tuple(Caption(exchange_sides(caption), role_of(caption)) for caption in captions)


def _place(name: str, names: Sequence[str], otherwise: int) -> int:
    return names.index(name) if name in names else otherwise
