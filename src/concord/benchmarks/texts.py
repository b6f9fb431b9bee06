"""Distinct texts: each is embedded once, however often it occurs."""

from __future__ import annotations

from collections.abc import Iterable


def normalized(text: str) -> str:
    """What makes two captions the same: their words, whatever the case and the spacing."""
    return " ".join(text.casefold().split())


class Vocabulary:
    """The distinct texts among those added, in order of first appearance.

    Attributes:
        texts: as they were first written.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The place of a text, a new one if it has not been seen."""
        place = self._places.setdefault(normalized(text), len(self.texts))
        if place == len(self.texts):
            self.texts.append(text)
        return place

    def find(self, text: str) -> int | None:
        """The place of a text, None if it has not been added."""
        return self._places.get(normalized(text))

    def add_all(self, texts: Iterable[str]) -> list[int]:
        """The places of several texts."""
        return [self.add(text) for text in texts]
