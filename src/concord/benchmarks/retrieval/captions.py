"""Other ways to put the captions of a data set: by language, and cut or mixed up to see what of a long caption counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal
from zlib import crc32

from concord.errors import DataError
from concord.sentences import split_sentences
from concord.types import Pair, role_of

Control = Literal["first_sentence", "last_60_words", "shuffled_sentences"]
LAST_WORDS = 60


@dataclass(frozen=True)
class Variant:
    """Captions that are searched in one way.

    Attributes:
        name: stands in the records; "" for the captions as they are.
        rows: places of the images that take part.
        captions: by image that takes part, at least one each.
    """

    name: str
    rows: list[int]
    captions: list[list[str]]


def as_they_are(pairs: Sequence[Pair]) -> Variant:
    """All captions of all images that have one."""
    rows = [row for row, pair in enumerate(pairs) if pair.captions]
    return Variant("", rows, [list(pairs[row].captions) for row in rows])


def by_language(pairs: Sequence[Pair], name: str) -> list[Variant]:
    """One variant per role of the captions, which is the code of a language, in alphabetical order.

    Args:
        pairs: the examples.
        name: of the data set, for the message.

    Raises:
        DataError: where a caption has no role.
    """
    for pair in pairs:
        if not all(map(role_of, pair.captions)):
            raise DataError(f"{name}, example {pair.key}: a caption does not say its language; set by_language to false")
    found = []
    for language in sorted({role_of(caption) for pair in pairs for caption in pair.captions}):
        own = [[caption for caption in pair.captions if role_of(caption) == language] for pair in pairs]
        rows = [row for row, captions in enumerate(own) if captions]
        found.append(Variant(language, rows, [own[row] for row in rows]))
    return found


def controlled(variant: Variant, control: Control, seed: int) -> Variant:
    """The same images with their captions cut or mixed up."""
    change = CONTROLS[control]
    captions = [[change(text, Random(f"{seed}/{crc32(text.encode())}")) for text in own] for own in variant.captions]
    return Variant(control, variant.rows, captions)


def first_sentence(text: str, rng: Random) -> str:
    """The text up to the end of its first sentence."""
    return next(iter(split_sentences(text)), text)


def last_words(text: str, rng: Random) -> str:
    """The last 60 words of a text."""
    return " ".join(text.split()[-LAST_WORDS:])


def shuffled_sentences(text: str, rng: Random) -> str:
    """The sentences in another order, where there are several different ones."""
    sentences = split_sentences(text)
    if len(set(sentences)) < 2:
        return text
    mixed = list(sentences)
    while mixed == sentences:
        rng.shuffle(mixed)
    return " ".join(mixed)


CONTROLS: Mapping[Control, Callable[[str, Random], str]] = {
    "first_sentence": first_sentence,
    "last_60_words": last_words,
    "shuffled_sentences": shuffled_sentences,
}
