"""Where the noun phrases of a caption are, by rule: no parser, English only."""

from __future__ import annotations

from concord.perturbations.lexicon import ARTICLES, CATEGORY, STOP_WORDS, WORD
from concord.perturbations.spelling import Span


def noun_phrases(caption: str) -> list[list[Span]]:
    """What follows each article up to the next stop word or punctuation, word by word; the caption in small letters."""
    found: list[list[Span]] = []
    previous, inside = 0, False
    for match in WORD.finditer(caption):
        start, end = match.span()
        broken = caption[previous:start].strip() != ""
        if match[0] in STOP_WORDS or broken:
            inside = match[0] in ARTICLES
            found += [[]] if inside else []
        elif inside:
            found[-1].append((start, end))
        previous = end
    return [words for words in found if words]


def things(caption: str) -> list[list[Span]]:
    """Noun phrases in small letters whose last word is taken for the noun that they are about.

    A phrase ends before a participle ("a man | holding"); phrases that end with an adjective of `CATEGORIES` or, after "a", with
    a plural or a verb, have no noun that could be told; scenery is no thing.
    """
    found = []
    for words in noun_phrases(caption):
        kept = words[:1]
        for span in words[1:]:
            word = caption[slice(*span)]
            if word.endswith(("ing", "ed")) and word not in CATEGORY:
                break
            kept.append(span)
        noun = caption[slice(*kept[-1])]
        single = is_indefinite(caption, kept[0])
        if not (is_attribute(noun) or noun in SCENERY or noun.isdigit() or (single and is_plural(noun))):
            found.append(kept)
    return found


def is_indefinite(caption: str, first: Span) -> bool:
    """Whether "a" or "an" stands before the first word of a phrase."""
    return caption[: first[0]].split()[-1:] in (["a"], ["an"])


def is_attribute(word: str) -> bool:
    """Whether a word describes things, by `CATEGORIES`."""
    return CATEGORY.get(word) in ATTRIBUTES


def is_plural(word: str) -> bool:
    """Whether a word ends as plurals, and verbs, do."""
    return word.endswith("s") and not word.endswith(("ss", "us", "is"))


ATTRIBUTES = ("colour", "size", "shade", "surface", "side", "degree")
"""Categories of words that describe a thing."""

_SCENERY = "background foreground corner centre center middle side front back photo photograph picture image view"
SCENERY = frozenset(_SCENERY.split())
"""Nouns that say where, or of what kind the picture is."""
