"""Parts of long captions: sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from concord.sentences import split_sentences

SHORTEST_SENTENCE = 3
"""Words below which a sentence says too little to be a caption of its own (ConVIRT, Zhang et al. 2020)."""

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


def draw_sentences(captions: Sequence[str], count: int, rng: Random) -> list[str]:
    """Sentences of at least three words, all as likely, of all the captions together.

    None comes a second time before all have come once (DreamLIP, Zheng et al. 2024; with a count of 1 ConVIRT's single
    sentence). Captions without such a sentence take part as a whole.

    Args:
        captions: of one example, at least one.
        count: V, how many to draw.
    """
    sentences = [sentence for caption in captions for sentence in long_sentences(caption) or [caption]]
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += rng.sample(sentences, min(len(sentences), count - len(drawn)))
    return drawn


def long_sentences(caption: str) -> list[str]:
    """The sentences of a caption that have at least three words."""
    return [sentence for sentence in split_sentences(caption) if len(_WORD.findall(sentence)) >= SHORTEST_SENTENCE]
