"""Whether a question is answered right, by its form, and what guessing would give.

Dimensions: I images and T texts of one question, K candidates, r right ones among them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from concord.benchmarks.ranking import TIE
from concord.items import Form, Item

METRICS: dict[Form, tuple[str, ...]] = {
    "texts": ("accuracy",),
    "images": ("accuracy",),
    "match": ("text_score", "image_score", "group_score"),
    "set": ("jaccard",),
}
"""What is measured, by form. Of a match: every image finds its text, every text its image, and both (Thrush et al. 2022)."""

Rows = Sequence[Sequence[float]]


class Scores(NamedTuple):
    """How well the texts of one question fit its images, [I][T]: as seen when images search texts, and the other way round."""

    by_image: Rows
    by_text: Rows


class Verdict(NamedTuple):
    """The outcome of one question: with ties as misses, the expected one if ties are broken by lot, and whether there is one."""

    strict: float
    half: float
    tied: bool


def judge(item: Item, scores: Scores) -> list[Verdict]:
    """The outcomes of one question, in the order of `METRICS[item.form]`."""
    if not item.right:
        return [Verdict(0.0, 0.0, False)]
    if item.form == "texts":
        return [first_win(scores.by_image[0], item.right)]
    by_text = list(zip(*scores.by_text, strict=True))  # [T][I]
    if item.form == "images":
        return [first_win(by_text[0], item.right)]
    if item.form == "set":
        return [overlap(by_text[0], item.right)]
    text, image = ([first_win(_put_first(row, place), 1) for place, row in enumerate(rows)] for rows in (scores.by_image, by_text))
    return [_all(text), _all(image), _all([*text, *image])]


def chances(item: Item) -> list[float]:
    """What scores that are drawn independently at random would give, in the order of `METRICS[item.form]`."""
    if item.form == "match":
        places = len(item.texts)
        return [places**-places, places**-places, _all_diagonal(places)]
    candidates = len(item.texts if item.form == "texts" else item.images)
    if item.form == "set":
        return [_expected_overlap(item.right, 0, item.right, item.right, candidates - item.right)]
    return [1 / math.comb(candidates, item.right) if item.right else 0.0]


def first_win(scores: Sequence[float], right: int) -> Verdict:
    """Whether each of the first `right` of the scores [K] lies above all the others. Scores that are not numbers lose."""
    rights, wrongs = scores[:right], scores[right:]
    if any(math.isnan(score) for score in scores):
        return Verdict(0.0, 0.0, False)
    width = _tie(scores)
    worst, best = min(rights), max(wrongs)
    if best < worst - width:
        return Verdict(1.0, 1.0, False)
    if worst < best - width:
        return Verdict(0.0, 0.0, False)
    own = sum(not best < score - width for score in rights)
    other = sum(not score < worst - width for score in wrongs)
    return Verdict(0.0, 1 / math.comb(own + other, own), True)


def overlap(scores: Sequence[float], right: int) -> Verdict:
    """The Jaccard index of the `right` best of the scores [K] with the first `right` (WinoGAViL, Bitton et al. 2022)."""
    known = [(-math.inf if place < right else math.inf) if math.isnan(score) else score for place, score in enumerate(scores)]
    width = _tie(known)
    last = sorted(known, reverse=True)[right - 1]
    sure = [place for place, score in enumerate(known) if last < score - width]
    level = [place for place, score in enumerate(known) if not last < score - width and not score < last - width]
    found, free = sum(place < right for place in sure), right - len(sure)
    own = sum(place < right for place in level)
    least = found + max(0, free - (len(level) - own))
    half = _expected_overlap(right, found, free, own, len(level) - own)
    return Verdict(least / (2 * right - least), half, 0 < own < len(level) and free < len(level))


def _tie(scores: Sequence[float]) -> float:
    """How near two scores are that count as equal, see `concord.benchmarks.ranking`."""
    return TIE * max((abs(score) for score in scores if math.isfinite(score)), default=0.0)


def _put_first(row: Sequence[float], place: int) -> list[float]:
    return [row[place], *row[:place], *row[place + 1 :]]


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    return Verdict(
        math.prod(verdict.strict for verdict in verdicts),
        math.prod(verdict.half for verdict in verdicts),
        any(verdict.tied for verdict in verdicts),
    )


def _expected_overlap(right: int, found: int, free: int, own: int, other: int) -> float:
    """The mean Jaccard index if, beside `found` right ones, `free` are drawn from `own` right and `other` wrong ones."""
    return sum(
        math.comb(own, drawn) * math.comb(other, free - drawn) / math.comb(own + other, free) * hits / (2 * right - hits)
        for drawn in range(max(0, free - other), min(own, free) + 1)
        for hits in (found + drawn,)
    )


def _all_diagonal(places: int) -> float:
    """The probability that in a square of independent scores each of the diagonal is the largest of its row and column.

    Each other score lies below the smaller of its two diagonal ones: with these in rising order u, n! times the integral of
    prod u_i^(2 (n - i)), which is taken one u after another.
    """
    exponent, chance = 0, float(math.factorial(places))
    for place in range(1, places + 1):
        exponent += 2 * (places - place) + 1
        chance /= exponent
    return chance
