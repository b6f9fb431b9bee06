"""Rules that look at nothing but how a text is written. Each gives a text a number; the higher one wins."""

from __future__ import annotations

from collections.abc import Callable

from concord.perturbations import tokens_of


def shorter(text: str) -> float:
    """Fewer characters."""
    return -float(len(text.strip()))


def fewer_words(text: str) -> float:
    """Fewer words and signs of punctuation."""
    return -float(len(tokens_of(text)))


def no_period(text: str) -> float:
    """No full stop at the end."""
    return -float(text.rstrip().endswith("."))


def lower_case(text: str) -> float:
    """No capital at the beginning."""
    return -float(text.strip()[:1].isupper())


RULES: dict[str, Callable[[str], float]] = {
    "shorter": shorter,
    "fewer_words": fewer_words,
    "no_period": no_period,
    "lower_case": lower_case,
}
