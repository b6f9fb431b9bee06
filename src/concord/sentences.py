"""Where the sentences of a text end."""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, without white space around them; a line break ends one, too."""
    return [sentence for part in _SENTENCE_END.split(text) if (sentence := part.strip())]
