"""Captions with their tokens in another order, as in ARO's order tests (Yuksekgonul et al. 2023)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from concord.errors import DataError, MissingExtraError

T = TypeVar("T")

Shuffle = Callable[[str, Random], str]
"""From a caption to one of its orders; the order may happen to be the old one."""

Tagger = Callable[[str], list[tuple[str, str]]]
"""From a caption to its tokens with their Penn Treebank tags ("NN", "JJ", ...)."""

_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_NOUNS = ("NN", "NNS", "NNP", "NNPS")
_ADJECTIVES = ("JJ", "JJR", "JJS")
_TRIES = 20


def shuffle_words(caption: str, rng: Random) -> str:
    """All tokens in any order."""
    return " ".join(_shuffled(tokens_of(caption), rng))


def shuffle_within_trigrams(caption: str, rng: Random) -> str:
    """Tokens change places only within each three neighbouring ones; the last group may be shorter."""
    return " ".join(token for group in _trigrams(caption) for token in _shuffled(group, rng))


def shuffle_trigrams(caption: str, rng: Random) -> str:
    """Groups of three neighbouring tokens, each kept as it is, in any order."""
    return " ".join(token for group in _shuffled(_trigrams(caption), rng) for token in group)


def nouns_and_adjectives(tagger: Tagger) -> Shuffle:
    """A shuffle of nouns among nouns and adjectives among adjectives; all other tokens stay."""
    return lambda caption, rng: _permuted(tagger(caption), [_NOUNS, _ADJECTIVES], rng)


def other_words(tagger: Tagger) -> Shuffle:
    """A shuffle of all tokens but nouns and adjectives, which stay."""

    def shuffle(caption: str, rng: Random) -> str:
        tagged = tagger(caption)
        others = {tag for _, tag in tagged} - set(_NOUNS + _ADJECTIVES)
        return _permuted(tagged, [sorted(others)], rng)

    return shuffle


def aro_shuffles(tagger: Tagger | None = None) -> dict[str, Shuffle]:
    """ARO's four shuffles by name, in its order; without a tagger only the two that need no parts of speech."""
    tagged = {} if tagger is None else {"nouns_and_adjectives": nouns_and_adjectives(tagger), "other_words": other_words(tagger)}
    return {**tagged, "within_trigrams": shuffle_within_trigrams, "trigrams": shuffle_trigrams}


def spacy_tagger(model: str = "en_core_web_sm") -> Tagger:
    """The tagger that ARO uses.

    Raises:
        MissingExtraError: where spaCy is not installed.
        DataError: where its model is not.
    """
    try:
        import spacy
    except ImportError:
        raise MissingExtraError("spacy", "spacy") from None
    try:
        pipeline = spacy.load(model, disable=["parser", "ner", "lemmatizer"])
    except OSError:
        raise DataError(f"spaCy has no model {model}; get it with: python -m spacy download {model}") from None
    return lambda caption: [(token.text, token.tag_) for token in pipeline(caption)]


def changed(shuffle: Shuffle, caption: str, rng: Random) -> str | None:
    """A shuffle that differs from the caption in more than spaces and case; None where a few draws find none."""
    original = " ".join(tokens_of(caption)).casefold()
    for _ in range(_TRIES):
        text = shuffle(caption, rng)
        if " ".join(tokens_of(text)).casefold() != original:
            return text
    return None


def tokens_of(caption: str) -> list[str]:
    """Words, with their apostrophes and hyphens, and single signs of punctuation."""
    return _TOKEN.findall(caption)


def _trigrams(caption: str) -> list[list[str]]:
    tokens = tokens_of(caption)
    return [tokens[start : start + 3] for start in range(0, len(tokens), 3)]


def _shuffled(values: Sequence[T], rng: Random) -> list[T]:
    return rng.sample(values, len(values))


def _permuted(tagged: Sequence[tuple[str, str]], groups: Sequence[Sequence[str]], rng: Random) -> str:
    """Tokens that change places with those of the same group of tags."""
    tokens = [token for token, _ in tagged]
    for tags in groups:
        places = [place for place, (_, tag) in enumerate(tagged) if tag in tags]
        for place, token in zip(places, _shuffled([tokens[place] for place in places], rng), strict=True):
            tokens[place] = token
    return " ".join(tokens)
