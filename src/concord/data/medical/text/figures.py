"""Captions from those of figures: of articles (PMC, ROCO, MedICaT), videos (Quilt) and books (ARCH)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from concord.data.filters.limits import normalise
from concord.data.medical.exams import Exam
from concord.data.medical.several import of_kind
from concord.sentences import split_sentences

Dropped = Literal["labels", "panels", "citations", "links", "permissions"]

_NUMBER = r"(?:S|A|E)?\d{1,3}(?:[.-]\d{1,3})?(?:[A-Za-z](?![A-Za-z])|\s?\([A-Za-z]\))?"
_LABEL = re.compile(
    rf"^\s*(?:(?:supplementary|supplemental|additional|extended data|online|e)[ -]?)?"
    rf"(?:fig(?:ure|s|\.)?|image|plate|scheme|panel)s?\.?\s*{_NUMBER}(?:\s?(?:[-–—,&]|and)\s?{_NUMBER})*\s?[.:;,)|–—-]*\s*",
    re.IGNORECASE,
)
_LETTERS = r"[A-Ha-h](?:\s?(?:[-–—,&]|and|to)\s?[A-Ha-h])*"
_PANELS = re.compile(rf"[(\[]{_LETTERS}[)\]][:.,]?|(?:^|(?<=[.;:!?]\s)){_LETTERS}\s?[):,](?=\s)")
_CITATIONS = re.compile(r"\[\d+(?:\s?[-–—,;]\s?\d+)*\]|\([^()]{0,80}\bet al\b[^()]{0,80}\)|\([A-Z][^()\d]{1,60},\s?(?:19|20)\d\d[a-z]?\)")
_LINKS = re.compile(r"(?:https?://|www\.|ftp://)\S+|\bdoi:?\s?10\.\S+|\b10\.\d{4,9}/\S+", re.IGNORECASE)
_PERMISSION = re.compile(
    r"\bpermission|\bcopyright|©|\blicen[cs]e|creative commons|(?:re(?:produced|printed|published)|adapted|modified|taken) from"
    r"|\bcourtesy of|for interpretation of the references to colou?r|web version of this article",
    re.IGNORECASE,
)
_EMPTY_BRACKETS = re.compile(r"\(\s?[,;.]?\s?\)|\[\s?\]")
_BEFORE_STOP = re.compile(r" (?=[.,;:!?)\]])")
_STOPS = re.compile(r"([.,;:])(?:\s?[.,;:])+")
_STRAY = " ,;:.|–—-"
_NOTHING = {"", "no caption found", "no caption", "nan", "none", "n a"}


class Figures:
    """Captions of figures without what is not in the picture.

    Args:
        fields: which kinds of texts of an exam are captions; each that it has is one, also "caption 2" of the kind "caption".
        drop: "labels" (Figure 2A:), "panels" (letters of sub-figures: (a), (B-D), C:), "citations" ([3, 4], (Doe et al. 2001)),
            "links" (addresses and DOIs), "permissions" (sentences about rights and origins).
        min_words: of a caption, at least 1; below, it says hardly more than the modality ("Axial MRI").

    Raises:
        ValueError: for an argument out of its range.
    """

    speaks_of_patients = True

    def __init__(
        self,
        fields: Sequence[str] = ("caption",),
        drop: Sequence[Dropped] = ("labels", "panels", "citations", "links", "permissions"),
        min_words: int = 3,
    ) -> None:
        self.fields = list(fields)
        self.drop = frozenset(drop)
        self.min_words = min_words
        if unknown := sorted(self.drop - set(get_args(Dropped))):
            raise ValueError(f"drop must be of {', '.join(get_args(Dropped))}, got {unknown[0]!r}")
        if min_words < 1:
            raise ValueError(f"min_words must be at least 1, got {min_words}")

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> list[str]:
        captions = dict.fromkeys(self._cleaned(text) for field in self.fields for text in of_kind(texts, field))
        return [caption for caption in captions if len(caption.split()) >= self.min_words and any(map(str.isalnum, caption))]

    def _cleaned(self, caption: str) -> str:
        caption = " ".join(caption.split())
        if normalise(caption) in _NOTHING:
            return ""
        if "labels" in self.drop:
            caption = _LABEL.sub("", caption)
        if "permissions" in self.drop:
            caption = " ".join(sentence for sentence in split_sentences(caption) if _PERMISSION.search(sentence) is None)
        for what, pattern in (("links", _LINKS), ("citations", _CITATIONS), ("panels", _PANELS)):
            if what in self.drop:
                caption = pattern.sub(" ", caption)
        return _mended(caption)


def _mended(caption: str) -> str:
    """Without the brackets, spaces and stops that are left where something was taken out."""
    caption = _EMPTY_BRACKETS.sub(" ", " ".join(caption.split()))
    caption = _STOPS.sub(r"\1", _BEFORE_STOP.sub("", " ".join(caption.split())))
    return caption.lstrip(_STRAY).rstrip(" ,;:|–—-")
