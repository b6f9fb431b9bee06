"""Where the sentences of a text end."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n")
_ABBREVIATION = re.compile(r"(?<!\w)(?:Drs?|Mrs?|Ms|Prof|St|vs|approx|ca|cf|e\.g|i\.e|viz|resp|et al|Figs?|fig|[Nn]o(?=\.\s+\d))\.(?=\s)")
_LIST_NUMBER = re.compile(r"\s*\(?\d{1,2}\.(?=\s)")
_LONGEST = 7
"""Characters of the longest abbreviation with its full stop."""


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, without white space around them; a line break ends one, too.

    The full stop of an abbreviation ("Dr. A", "approx. 2 cm") ends none, nor does that of the number of an entry ("1. No mass.").
    """
    return [sentence for part in _parts(text) if (sentence := part.strip())]


def _parts(text: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if end[0] != "\n" and _goes_on(text, start, end.start()):
            continue
        yield text[start : end.start()]
        start = end.end()
    yield text[start:]


def _goes_on(text: str, start: int, stop: int) -> bool:
    """Whether what ends at `stop` is an abbreviation, or the number of an entry that begins at `start`."""
    number = _LIST_NUMBER.match(text, start)
    if number is not None and number.end() == stop:
        return True
    return any(match.end() == stop for match in _ABBREVIATION.finditer(text, max(start, stop - _LONGEST), stop + 2))
