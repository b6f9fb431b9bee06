"""Putting a word in the place of another: capitals and articles follow."""

from __future__ import annotations

import re

Span = tuple[int, int]
"""Where a word begins and ends in its caption."""


def with_capital_of(place: str, word: str) -> str:
    """`word` as it is written where `place` stood; acronyms keep their letters."""
    acronym = place[1:] + word[1:] != (place[1:] + word[1:]).lower()
    if acronym or not (place[0] + word[0]).isascii():
        return word
    return (word[0].upper() if place[0].isupper() else word[0].lower()) + word[1:]


_ARTICLE = re.compile(r"\b(a)n?(\s+)$", re.IGNORECASE)


def with_article(before: str, word: str) -> str:
    """`before` with the article that `word` takes, if it ends with one."""
    return _ARTICLE.sub(r"\1n\2" if word[0].lower() in "aeiou" else r"\1\2", before)
