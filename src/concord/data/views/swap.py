"""Hard negatives: a caption with two of its words in each other's place (NegCLIP)."""

from __future__ import annotations

import re
from itertools import combinations
from random import Random

_WORD = re.compile(r"\w+(?:['’-]\w+)*")

CATEGORIES: dict[str, str] = {
    "colour": "red orange yellow green cyan blue purple pink brown black white grey gray beige gold golden silver violet magenta "
    "turquoise navy maroon teal olive tan",
    "size": "small large big tiny huge little tall short long wide narrow thick thin giant medium",
    "shade": "dark light pale bright",
    "surface": "solid striped dotted checkered plain spotted wooden metal metallic glass plastic stone brick leather paper "
    "rubber fabric shiny matte furry fluffy smooth rough wet dry",
    "shape": "circle square triangle star cross ring heart crescent rectangle oval diamond hexagon pentagon sphere cube "
    "cylinder cone round circular rectangular triangular",
    "relation": "to the left of|to the right of|on the left of|on the right of|left of|right of|above|below|under|over|beneath|"
    "underneath|on top of|in front of|behind|inside|outside|to its left|to its right|above it|below it",
    "side": "left right upper lower top bottom front back anterior posterior medial lateral superior inferior bilateral",
    "degree": "mild moderate severe minimal marked slight extensive acute chronic normal abnormal",
    "number": "one two three four five six seven eight nine ten",
    "person": "man woman boy girl child person baby lady guy",
    "animal": "cat dog horse cow sheep bird elephant bear zebra giraffe lion tiger rabbit fish duck",
}
"""Words that can stand in each other's place. Phrases are joined with "|", single words with spaces."""

_CATEGORY = {word: category for category, words in CATEGORIES.items() for word in words.split("|" if "|" in words else " ")}
_PHRASE_OR_WORD = re.compile(r"\b(?:" + "|".join(CATEGORIES["relation"].split("|")) + r")\b|\w+")

_STOP_TEXT = (
    "a an the this that these those some any no not and or but nor so if then than as of in on at by to from for with without "
    "into onto off up down out over under above below between through during before after about against near next beside "
    "behind is are was were be been being am has have had having do does did doing can could will would shall should may "
    "might must it its he his she her hers they their them there here who whom whose which what when where why how i you we "
    "me my your our us him also very both each other another same such one two picture photo image showing shows seen while"
)
_STOP_WORDS = frozenset(_STOP_TEXT.split())
_ARTICLES = frozenset(("a", "an", "the"))
_ALIKE = re.compile(r"\band\b|\bor\b|[,;.]|\bnext to\b|\bbeside\b|\bnear\b|\bon (?=an? (?:\w+ )?background\b)")
"""Between parts that can change places without a change of meaning."""

_NEIGHBOURS = re.compile(r"[\s,/&-]*(?:and\s+|or\s+)?")

_LONGEST = 4000  # characters in which words are swapped: what comes later is cut off by every tokenizer
_MOST = 12  # words of one kind that are considered; a report may hold dozens

Span = tuple[int, int]


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
    for match in _PHRASE_OR_WORD.finditer(lower):
        if (category := _CATEGORY.get(match[0])) is not None:
            places.setdefault(category, []).append(match.span())
    return [*places.values(), _phrases(lower)]


def _phrases(caption: str) -> list[Span]:
    """What follows an article up to the next stop word or punctuation, if it is more than one word: "large red circle".

    A verb without an auxiliary goes with the noun before it; that negative is wrong all the same, only less grammatical.
    """
    found: list[list[Span]] = []
    previous, inside = 0, False
    for match in _WORD.finditer(caption):
        start, end = match.span()
        broken = caption[previous:start].strip() != ""
        if match[0] in _STOP_WORDS or broken:
            inside = match[0] in _ARTICLES
            found += [[]] if inside else []
        elif inside:
            found[-1].append((start, end))
        previous = end
    spans = [(words[0][0], words[-1][1]) for words in found if len(words) > 1]
    # A background is scenery, no thing among others.
    return [span for span in spans if not caption[slice(*span)].endswith(" background")]


def _content_words(caption: str) -> list[list[Span]]:
    return [[match.span() for match in _WORD.finditer(caption) if match[0].lower() not in _STOP_WORDS]]


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
    left, right = _with_capital_of(a, b), _with_capital_of(b, a)
    return _with_article(before, left) + left + _with_article(between, right) + right + after


def _with_capital_of(place: str, word: str) -> str:
    acronym = place[1:] + word[1:] != (place[1:] + word[1:]).lower()
    if acronym or not (place[0] + word[0]).isascii():
        return word
    return (word[0].upper() if place[0].isupper() else word[0].lower()) + word[1:]


_ARTICLE = re.compile(r"\b(a)n?(\s+)$", re.IGNORECASE)


def _with_article(before: str, word: str) -> str:
    return _ARTICLE.sub(r"\1n\2" if word[0].lower() in "aeiou" else r"\1\2", before)


def _parts(caption: str) -> list[list[str]]:
    """The content words of each part of an enumeration, the parts sorted."""
    parts = (_WORD.findall(part) for part in _ALIKE.split(caption.lower()))
    return sorted([word for word in words if word not in _STOP_WORDS] for words in parts)
