"""What in a text may say who a patient is: an alarm for texts of unknown origin, and no proof that nothing is there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b"
)

KINDS = {
    "date": re.compile(
        r"(?<![\d./-])(?:\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})|\d{1,2}[.-]\d{1,2}[.-]\d{4}|\d{4}[/.-]\d{1,2}[/.-]\d{1,2})(?![\d/-])"
        rf"|\b{_MONTH}\.?\s{{1,3}}\d{{1,2}}(?:st|nd|rd|th)?,?\s{{1,3}}(?:19|20)\d\d\b|\b\d{{1,2}}(?:st|nd|rd|th)?\.?\s(?:of\s)?{_MONTH}\.?,?\s(?:19|20)\d\d\b",
        re.IGNORECASE,
    ),
    "phone": re.compile(
        r"(?<![\d-])(?:\+?\d{1,3}[ .-])?(?:\(\d{3}\)\s?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\d-])"
        r"|\b(?:ext(?:ension)?|pager?|beeper|tel|phone|fax)\b[ .:#]{1,3}(?:number |no\. )?\+?\d[\d -]{3,}",
        re.IGNORECASE,
    ),
    "name": re.compile(
        r"\b(?:D[Rr]s?|Mr|Mrs|Ms|Prof(?:essor)?|Doctor)\b\.?\s(?:[A-Z]\.\s?){0,2}[A-Z][a-z’'A-Z-]*[a-z]"
        r"|\b[A-Z][a-z]+,?\s(?:[A-Z]\.?\s)?[A-Z][a-z]+,\s(?:M\.?D|MBBS|D\.?O|R\.?N)\b"
    ),
    "number": re.compile(
        r"\b(?:MRN|medical record|accession|patient id|ssn|nhs)\b[ .:#]{0,3}(?:number|no\.?|#)?[ .:#]{0,3}[A-Z]{0,3}\d[\d-]{3,}"
        r"|(?<![\w.-])\d{6,}(?![\w-])"
        r"|(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])",
        re.IGNORECASE,
    ),
    "email": re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+"),
}
"""Dates with a day, telephone numbers, names after a title or before a degree, numbers of six and more digits or after MRN, mail
addresses. Masks (`Dr. ___`) raise no alarm."""


def alarms(text: str) -> dict[str, int]:
    """How often a text holds what each of `KINDS` looks for, where it does at all; never what was found."""
    counts = {kind: sum(1 for _ in pattern.finditer(text)) for kind, pattern in KINDS.items()}
    return {kind: count for kind, count in counts.items() if count}


def alarms_in(texts: Iterable[str]) -> dict[str, int]:
    """Of many texts, in how many there is each kind."""
    return dict(Counter(kind for text in texts for kind in alarms(text)))
