"""What is done to the text of a report before it is a caption."""

from __future__ import annotations

import re
from collections.abc import Iterator

from concord.sentences import split_sentences

_MASK = r"(?:_{2,}|X{4,})"
_MASKS = re.compile(rf"{_MASK}(?:\s*{_MASK})*(?:-(?=\w))?")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
_BEFORE_STOP = re.compile(r" (?=[.,;:!?)])")
_STRAY = " \t,;:-/"

_PARAGRAPH = re.compile(r"\n\n+")
_NUMBER = re.compile(r"(?:(?<=\s)|^)\(?(\d{1,2})[.)]\s+")
_BEFORE_LIST = {"", "\n", ".", ":", ";", "!", "?"}

_NOTIFICATION = re.compile(
    r"\b(?:telephoned|paged|e-?mailed|notified|notification|relayed|dictated by|electronically signed|attending (?:radiologist|physician)"
    r"|(?:discussed|communicated|conveyed|reviewed)\s+(?:with|by|to|at|via|over|in person)|(?:tele)?phone call"
    r"|(?:by|via|over) (?:the )?(?:tele)?phone|wet read|critical results?|drs?\.\s*\w|drs?\s+(?:_{2,}|X{4,}))",
    re.IGNORECASE,
)
_COMPARISON = re.compile(
    r"\b(?:unchanged|changed?|interval(?:ly)?|new(?:ly)?|again|still|stable|persist\w*|compar\w+|prior|previous(?:ly)?|earlier|since"
    r"|(?:de|in)creas\w+|improv\w+|worsen\w*|resol(?:ved|ution|ving)|progress(?:ed|ion|ing|ive)|no longer|has been (?:removed|placed))\b",
    re.IGNORECASE,
)


def without_masks(text: str, token: str | None = None) -> str:
    """A text whose de-identified spans, `___` or XXXX, are taken out, or stand as one token each however long they are."""
    if _MASKS.search(text) is None:
        return text
    if token is not None:
        return _MASKS.sub(lambda match: f"{token}-" if match[0].endswith("-") else token, text)
    text = " ".join(_EMPTY_BRACKETS.sub(" ", _MASKS.sub(" ", text)).split())
    return _BEFORE_STOP.sub("", text).lstrip(_STRAY + ".").rstrip(_STRAY)


def report_sentences(text: str) -> list[str]:
    """The sentences of a section, its list's entries apart and without their numbers.

    Lines of reports are wrapped: a line's end alone ends no sentence, a blank line does. Numbers 1, 2, ... in their order are those
    of entries ("1. Edema 2. No mass"); another number at the end of a sentence is not ("fracture of rib 7. No effusion").
    """
    lines = "\n".join(line.strip() for line in text.splitlines())
    parts = [" ".join(paragraph.split()) for entry in _entries(lines) for paragraph in _PARAGRAPH.split(entry)]
    return [sentence for part in parts for sentence in split_sentences(part)]


def is_notification(sentence: str) -> bool:
    """Whether a sentence says who was told, rather than what is seen."""
    return _NOTIFICATION.search(sentence) is not None


def is_comparison(sentence: str) -> bool:
    """Whether a sentence compares with pictures that are not shown."""
    return _COMPARISON.search(sentence) is not None


def _entries(text: str) -> Iterator[str]:
    """What stands before the first number of a list, and its entries."""
    start, expected = 0, 1
    for number in _NUMBER.finditer(text):
        begins = expected > 1 or text[: number.start()].rstrip(" ")[-1:] in _BEFORE_LIST
        if begins and int(number[1]) == expected:
            yield text[start : number.start()]
            start, expected = number.end(), expected + 1
    yield text[start:]
