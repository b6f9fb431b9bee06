"""A language model of one's own: how likely a caption is among captions, from counts of three words in a row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from concord.perturbations import tokens_of

WEIGHTS = (0.6, 0.3, 0.1)
"""Of the word after its last two, after its last one, and by itself (Jelinek and Mercer 1980)."""

ADDED = 0.1
"""Added to the count of every word, so that none is impossible (add-k smoothing)."""

_START, _END = "<s>", "</s>"


class NGram:
    """An interpolated trigram model of words in small letters.

    The probability of a word mixes its frequencies after its last two words, after its last one, and by itself, the latter
    with `ADDED` on every count and one more word in the vocabulary for all that were never seen. Where the last words were
    never seen, the shorter history takes their weight.
    """

    def __init__(self, captions: Iterable[str]) -> None:
        self.counts: tuple[Counter[tuple[str, ...]], ...] = (Counter(), Counter(), Counter())
        self.histories: tuple[Counter[tuple[str, ...]], ...] = (Counter(), Counter(), Counter())
        for caption in captions:
            self._add(_words(caption))
        self.words = len(self.counts[0]) + 1

    def log_probability(self, caption: str) -> float:
        """The mean over the words of a caption, and its end, of the log of their probability; natural logarithm."""
        words = _words(caption)
        logs = [math.log(self._probability(words, place)) for place in range(2, len(words))]
        return sum(logs) / len(logs)

    def _add(self, words: list[str]) -> None:
        for place in range(2, len(words)):
            for order in range(3):
                gram = tuple(words[place - order : place + 1])
                self.counts[order][gram] += 1
                self.histories[order][gram[:-1]] += 1

    def _probability(self, words: list[str], place: int) -> float:
        single = (self.counts[0][(words[place],)] + ADDED) / (self.histories[0][()] + ADDED * self.words)
        probability = single
        for order, weight in ((1, WEIGHTS[1] / (WEIGHTS[1] + WEIGHTS[2])), (2, WEIGHTS[0])):
            gram = tuple(words[place - order : place + 1])
            seen = self.histories[order][gram[:-1]]
            if seen:
                probability = weight * self.counts[order][gram] / seen + (1 - weight) * probability
        return probability


def _words(caption: str) -> list[str]:
    return [_START, _START, *(token.lower() for token in tokens_of(caption)), _END]
