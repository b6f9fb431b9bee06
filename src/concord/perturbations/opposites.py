"""Which phrases say the contrary of one another, and which words nearly the same."""

from __future__ import annotations

_PAIRS = (
    ("to the left of", "to the right of"),
    ("on the left of", "on the right of"),
    ("left of", "right of"),
    ("to its left", "to its right"),
    ("above", "below"),
    ("above it", "below it"),
    ("over", "under"),
    ("on top of", "underneath"),
    ("in front of", "behind"),
    ("inside", "outside"),
)

OPPOSITES: dict[str, str] = {**dict(_PAIRS), **{second: first for first, second in _PAIRS}, "beneath": "above"}
"""By phrase of place, its contrary."""

_ALIKE = (
    "red orange pink magenta maroon",
    "orange yellow gold golden",
    "beige tan brown gold golden orange",
    "purple violet magenta pink",
    "blue navy turquoise teal cyan",
    "green olive teal turquoise",
    "grey gray silver",
    "white beige silver",
    "black navy",
    "small tiny little short thin narrow",
    "large big huge giant tall long wide thick",
    "dark black navy",
    "light pale bright white",
    "solid plain smooth matte",
    "dotted spotted",
    "metal metallic shiny",
    "furry fluffy",
    "fabric leather",
    "wooden brown",
    "left lateral",
    "upper top superior",
    "lower bottom inferior",
    "front anterior",
    "back posterior",
    "mild minimal slight",
    "severe marked extensive acute",
    "man guy person boy child baby",
    "woman lady girl person child baby",
    "boy girl child baby person",
)
_SETS = tuple(frozenset(words.split()) for words in _ALIKE)


def alike(first: str, second: str) -> bool:
    """Whether two words are the same, or so near that what is true of one may be true of the other."""
    return first == second or any(first in words and second in words for words in _SETS)
