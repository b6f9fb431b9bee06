"""Hard negatives: a caption with two of its words in each other's place (NegCLIP)."""

from __future__ import annotations

import re
from itertools import combinations
from random import Random

from concord.perturbations.lexicon import CATEGORY, PHRASE_OR_WORD, STOP_WORDS, WORD
from concord.perturbations.phrases import noun_phrases
from concord.perturbations.spelling import Span, with_article, with_capital_of

_ALIKE = re.compile(r"\band\b|\bor\b|[,;.]|\bnext to\b|\bbeside\b|\bnear\b|\bon (?=an? (?:\w+ )?background\b)")
"""Between parts that can change places without a change of meaning."""

_NEIGHBOURS = re.compile(r"[\s,/&-]*(?:and\s+|or\s+)?")

_LONGEST = 4000  # characters in which words are swapped: what comes later is cut off by every tokenizer
_MOST = 12  # words of one kind that are considered; a report may hold dozens


def swap_words(caption: str, rng: Random) -> str | None:
    """The caption with two of its words in each other's place, so that it says something else; None where that cannot be done.

    After NegCLIP's negatives (Yuksekgonul et al. 2023), without their parser: two different words or phrases of one category
    of `CATEGORIES`, or two whole noun phrases, change places; where no two share one, two words that are no stop words.
    Swaps that only put the parts of an enumeration in another order are left out. Capitals stay where they were, and "a"
    and "an" follow their new word.
    """
    if len(caption) > _LONGEST:
        end = max(caption.rfind(" ", 0, _LONGEST), 0) or _LONGEST
        swapped = swap_words(caption[:end], rng)
        return swapped + caption[end:] if swapped is not None else None
    parts = _parts(caption)
    for find in (_same_category, _content_words):
        pairs = [pair for spans in find(caption) for pair in combinations(_some(spans, rng), 2) if _differ(caption, *pair)]
        rng.shuffle(pairs)
        for first, second in pairs:
            if not _neighbours(caption, first, second) and _parts(swapped := _swap(caption, first, second)) != parts:
                return swapped
        if pairs:
            return None
    return None


def _same_category(caption: str) -> list[list[Span]]:
    lower = caption.lower()
    if len(lower) != len(caption):  # some capitals of other scripts become two letters, and positions would shift
        lower = caption
    places: dict[str, list[Span]] = {}
    for match in PHRASE_OR_WORD.finditer(lower):
        if (category := CATEGORY.get(match[0])) is not None:
            places.setdefault(category, []).append(match.span())
    return [*places.values(), _phrases(lower)]


def _phrases(caption: str) -> list[Span]:
    """Noun phrases of more than one word: "large red circle".

    A verb without an auxiliary goes with the noun before it; that negative is wrong all the same, only less grammatical.
    """
    spans = [(words[0][0], words[-1][1]) for words in noun_phrases(caption) if len(words) > 1]
    # A background is scenery, no thing among others.
    return [span for span in spans if not caption[slice(*span)].endswith(" background")]


def _content_words(caption: str) -> list[list[Span]]:
    return [[match.span() for match in WORD.finditer(caption) if match[0].lower() not in STOP_WORDS]]


def _some(spans: list[Span], rng: Random) -> list[Span]:
    return sorted(rng.sample(spans, _MOST)) if len(spans) > _MOST else spans


def _differ(caption: str, first: Span, second: Span) -> bool:
    return caption[slice(*first)].lower() != caption[slice(*second)].lower()


def _neighbours(caption: str, first: Span, second: Span) -> bool:
    """Whether nothing stands between: "upper left" and "black and white" mean the same either way round."""
    return _NEIGHBOURS.fullmatch(caption, first[1], second[0]) is not None


def _swap(caption: str, first: Span, second: Span) -> str:
    """`first` stands before `second`; they do not overlap."""
    before, between, after = caption[: first[0]], caption[first[1] : second[0]], caption[second[1] :]
    a, b = caption[slice(*first)], caption[slice(*second)]
    left, right = with_capital_of(a, b), with_capital_of(b, a)
    return with_article(before, left) + left + with_article(between, right) + right + after


def _parts(caption: str) -> list[list[str]]:
    """The content words of each part of an enumeration, the parts sorted."""
    parts = (WORD.findall(part) for part in _ALIKE.split(caption.lower()))
    return sorted([word for word in words if word not in STOP_WORDS] for words in parts)
