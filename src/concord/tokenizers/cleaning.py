"""What is done to a caption before it is cut into tokens."""

from __future__ import annotations

import html
import string
from typing import Literal

import ftfy

Cleaning = Literal["none", "lower", "clip", "repair", "canonical"]
"""`none` keeps the caption, `lower` puts it in lower case, `clip` also repairs and collapses it as CLIP does, `repair` does so
and keeps the case, `canonical` does as `clip` and leaves out ASCII punctuation (SigLIP)."""

CLEANINGS = ("none", "lower", "clip", "repair", "canonical")

_PUNCTUATION = str.maketrans("_", " ", string.punctuation.replace("_", ""))


def clean(text: str, how: Cleaning) -> str:
    """The caption as the tokenizer sees it. Lone surrogates, which have no UTF-8 form, become U+FFFD."""
    if not isinstance(text, str):
        raise TypeError(f"a caption must be a string, got {type(text).__name__}")
    text = _encodable(text)
    if how == "none":
        return text
    if how == "lower":
        return text.lower()
    text = _repair(text)
    if how == "canonical":
        return " ".join(text.translate(_PUNCTUATION).lower().split())
    return text.lower() if how == "clip" else text


def _repair(text: str) -> str:
    """Repair encodings, unescape HTML twice, collapse white space (Radford et al. 2021, their tokenizer)."""
    # Printable ASCII without an entity is already what ftfy would make of it, and ftfy is most of the cost.
    if not (text.isascii() and text.isprintable() and "&" not in text):
        text = html.unescape(html.unescape(ftfy.fix_text(text)))
        text = _encodable(text)
    return " ".join(text.split())


def _encodable(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
