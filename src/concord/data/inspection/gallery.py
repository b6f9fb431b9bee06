"""What the model will really see of some examples: the views after augmentation, and the captions read back from their tokens."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from concord.data.source import BadSample, Source
from concord.data.views import Example, Views
from concord.errors import DataError
from concord.images import decode
from concord.types import Tokens

THUMBNAIL = 160
"""Longer side of the original picture on a card, in pixels."""

LOSSLESS = 128
"""Side up to which views are stored without loss; larger ones as JPEG, so that a page stays a few megabytes."""


@dataclass(frozen=True)
class Strip:
    """One view of an example.

    Attributes:
        name, recipe: of the view.
        pictures: its draws, encoded.
        texts: its draws as text, as they were chosen.
        tokens: the same, decoded from the tokens that the model receives.
        count: tokens of each, start and end included.
        real: of negatives, whether each is one, or the caption itself for want of one.
    """

    name: str
    recipe: str
    pictures: tuple[bytes, ...] = ()
    texts: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    count: tuple[int, ...] = ()
    real: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Card:
    """One example with all its views."""

    key: str
    source: str
    original: bytes
    captions: tuple[str, ...]
    strips: tuple[Strip, ...]


def draw_gallery(source: Source, views: Views, indices: Sequence[int], count: int) -> list[Card]:
    """The views of the first `count` usable examples among `indices`, as the first epoch makes them."""
    cards: list[Card] = []
    for index in indices:
        if len(cards) == count:
            break
        try:
            cards.append(_card(source, views, index))
        except BadSample:  # counted by the survey
            continue
    return cards


def _card(source: Source, views: Views, index: int) -> Card:
    pair = source[index]
    example = views.example(pair, epoch=0, index=index)
    batch = views.collate([example])
    strips = [_pictures(name, view.recipe, batch.images[name]) for name, view in views.images.views.items()]
    strips += [_texts(views, name, example, batch.texts[name]) for name in views.texts.views]
    return Card(pair.key, pair.source, _thumbnail(views, pair.image, pair.key), tuple(map(str, pair.captions)), tuple(strips))


def _pictures(name: str, recipe: str, images: Tensor) -> Strip:
    """`images` is [1, C, H, W] or [1, V, C, H, W]."""
    draws = images[0] if images.dim() == 5 else images
    return Strip(name, recipe, pictures=tuple(encode(Image.fromarray(draw.permute(1, 2, 0).numpy())) for draw in draws))


def _texts(views: Views, name: str, example: Example, tokens: Tokens) -> Strip:
    rows = tokens.ids.flatten(0, -2)
    return Strip(
        name,
        views.texts.views[name].recipe,
        texts=tuple(map(str, example.texts[name])),
        tokens=tuple(views.texts.tokenizer.decode(row) for row in rows),
        count=tuple(tokens.mask.flatten(0, -2).sum(dim=1).tolist()),
        real=tuple(example.valid.get(name, ())),
    )


def _thumbnail(views: Views, image: object, key: str) -> bytes:
    try:
        picture = decode(image, views.images.preprocess.max_pixels, views.images.preprocess.background)  # type: ignore[arg-type]
    except DataError as error:
        raise BadSample("image cannot be decoded", key, str(error)) from None
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return encode(picture)


def encode(picture: Image.Image) -> bytes:
    """PNG of a small picture, JPEG of a large one."""
    buffer = io.BytesIO()
    if max(picture.size) <= LOSSLESS:
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
