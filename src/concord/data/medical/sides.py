"""Left and right in medical texts, and how they change places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

PLAIN = {
    "left": "right",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "leftmost": "rightmost",
    "dexter": "sinister",
    "dextra": "sinistra",
    "dextrum": "sinistrum",
}
"""Words that change places; each also stands for the other way round, and for capitals."""

CODES = {
    **{"RUL": "LUL", "RML": "LML", "RLL": "LLL", "RUQ": "LUQ", "RLQ": "LLQ", "RUZ": "LUZ", "RLZ": "LLZ"},
    **{"RUE": "LUE", "RLE": "LLE", "RUO": "LUO", "RIO": "LIO", "RCC": "LCC", "RMLO": "LMLO"},
    **{"RAO": "LAO", "RPO": "LPO", "RLD": "LLD", "RVOT": "LVOT", "RCA": "LCA", "RBBB": "LBBB", "RICA": "LICA", "RMCA": "LMCA"},
}
"""Abbreviations that mean sides of the body in any text: lobes, quadrants, limbs, views of the breast, projections, vessels."""

EYES = {"OD": "OS"}
"""Right and left eye, where a text speaks of eyes; elsewhere they are overall survival and optical density."""

CURVED = "scoli|curv|conve|cardia|rot[aio]|positi|versi|viat|apex|torsi|concav"
"""What "dextro" and "levo" are put before where they mean sides, and not a drug."""

NO_SIDE = r"angled?\b|angles\b|away\b|handed(?:ness)?\b|against medical\b|the (?:hospital|room)\b"
"""Before these words "right" means at once or upright and "left" what somebody did: neither changes."""

PASSIVE = ("is ", "are ", "was ", "were ", "be ", "been ", "being ")
LEFT_SO = r"in (?:place|situ|position)\b|untreated\b|unrepaired\b|behind\b|alone\b|unchanged\b|open\b|to (?:heal|drain)\b"
"""Between such words, as in "was left in place", "left" is what was done; behind other words it is a side."""

PARTS = (
    "upper|lower|middle|mid|lung|lobe|lobar|chest|hemithorax|pleural|pneumothorax|effusion|base|bases|basal|basilar|apex|apical|hilum|"
    "hilar|hemidiaphragm|costophrenic|ventricle|atrium|kidney|renal|ureter|adrenal|breast|axilla|ovary|testis|eye|ear|arm|hand|wrist|"
    "elbow|shoulder|leg|foot|ankle|knee|hip|femur|femoral|tibia|humerus|carotid|hemisphere|frontal|temporal|parietal|occipital|side|sided"
)
"""What follows a single R or L that means a side; elsewhere it may be litres, a lumbar vertebra or somebody's name."""

OF_EYES = re.compile(r"\b(?:eyes?|fundus|retinal?|macular?|optic|ocul\w*|visual acuity)\b", re.IGNORECASE)


def exchange_sides(text: str) -> str:
    """A text about the mirror image of what it was about: left and right change places, whatever else it says stays.

    Words and their compounds (left, right-sided, leftward), abbreviations (RUL, L > R, R pleural effusion), curvatures (levoscoliosis)
    and clock faces (10 o'clock becomes 2 o'clock), in small letters, capitals or with a capital. "Right" that means correct and
    "left" that was done by somebody are kept where the next words tell. Exchanged twice, a text is what it was.
    """
    found = _WITH_EYES if OF_EYES.search(text) else _ANYWHERE
    return found.sub(_other, text)


def exchange_known(known: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Metadata with the sides exchanged in the values of some keys: texts, or texts by name; "L", "R", "OD" and "OS" alone, too."""
    return {**known, **{key: _exchanged(known[key]) for key in keys if key in known}}


def _exchanged(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _exchanged(inner) for name, inner in value.items()}
    if not isinstance(value, str):
        return value
    return _ALONE[value] if value in _ALONE else exchange_sides(value)


def _both_ways(pairs: Mapping[str, str]) -> dict[str, str]:
    return {**pairs, **{other: one for one, other in pairs.items()}}


def _cased(pairs: Mapping[str, str]) -> dict[str, str]:
    """With a capital and in capitals as well."""
    return {form(one): form(other) for one, other in pairs.items() for form in (str.lower, str.capitalize, str.upper)}


_WORDS = _cased(_both_ways(PLAIN))
_PREFIXES = _cased(_both_ways({"dextro": "levo"}))
_TABLE = {**_WORDS, **_PREFIXES, **_both_ways(CODES), **_both_ways(EYES), "R": "L", "L": "R"}
_ALONE = {**_cased(_both_ways({"l": "r", "od": "os"})), "left": "right", "right": "left"}


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


def _not_after(words: Iterable[str]) -> str:
    return "".join(rf"(?<!\b{word})" for word in words)


_PATTERNS = (
    rf"(?<!\ball )(?:{_not_after(PASSIVE)}|(?!\w+ (?:{LEFT_SO})))\b(?:{_any(_WORDS)})\b(?!(?i:[ -](?:{NO_SIDE})))",
    rf"\b(?:{_any(_PREFIXES)})(?=-?(?i:{CURVED}))",
    rf"\b(?:{_any(_both_ways(CODES))})\b",
    rf"(?<![\w.])(?<!\d )[RL](?=[ -](?i:{PARTS})\b)",
    r"(?<![\w.])(?<!\d )[RL](?= ?[<>=] ?[RL]\b)|(?<=[RL] [<>=] )[RL]\b|(?<=\b[RL][<>=])[RL]\b",
    r"(?<=\()[RL](?=\))",
    r"(?<![\w:.,])(?:1[0-2]|[1-9])(?::30)?(?= ?o'clock\b)",
)
_ANYWHERE = re.compile("|".join(_PATTERNS))
_WITH_EYES = re.compile("|".join((*_PATTERNS, rf"\b(?:{_any(_both_ways(EYES))})\b")))


def _other(found: re.Match[str]) -> str:
    word = found[0]
    return _hour(word) if word[0].isdigit() else _TABLE[word]


def _hour(time: str) -> str:
    """The mirrored place on a clock face: twelve o'clock minus the time."""
    hour, _, half = time.partition(":")
    mirrored = (12 - int(hour) - (1 if half else 0)) % 12 or 12
    return f"{mirrored}:{half}" if half else str(mirrored)
