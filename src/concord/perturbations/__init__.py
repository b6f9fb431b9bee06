"""Captions changed a little, so that they say something else: swaps, and orders that say nothing. Texts in, texts out."""

from concord.perturbations.lexicon import CATEGORIES
from concord.perturbations.negatives import KINDS, HardNegatives
from concord.perturbations.shuffle import (
    Shuffle,
    Tagger,
    aro_shuffles,
    changed,
    shuffle_trigrams,
    shuffle_within_trigrams,
    shuffle_words,
    spacy_tagger,
    tokens_of,
)
from concord.perturbations.swap import swap_words

__all__ = [
    "CATEGORIES",
    "KINDS",
    "HardNegatives",
    "Shuffle",
    "Tagger",
    "aro_shuffles",
    "changed",
    "shuffle_trigrams",
    "shuffle_within_trigrams",
    "shuffle_words",
    "spacy_tagger",
    "swap_words",
    "tokens_of",
]
