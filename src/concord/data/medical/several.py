"""Several texts of one kind among the texts of an exam: "caption", "caption 2", "caption 3", ..."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def numbered(kind: str, texts: Iterable[Any]) -> dict[str, str]:
    """Texts of one kind under names of their own; what `text_of` finds empty is left out, and so are repetitions."""
    said = dict.fromkeys(text for text in map(text_of, texts) if text)
    return {kind if number == 1 else f"{kind} {number}": text for number, text in enumerate(said, start=1)}


def of_kind(texts: Mapping[str, str], kind: str) -> list[str]:
    """All texts of one kind, in their order."""
    found = [texts[kind]] if kind in texts else []
    while (name := f"{kind} {len(found) + 1}") in texts:
        found.append(texts[name])
    return found


def text_of(value: Any) -> str:
    """A text without white space around it; "" for what is none, such as null and "nan", which pandas writes for a missing one."""
    text = value.strip() if isinstance(value, str) else ""
    return "" if text.lower() == "nan" else text
