"""Outcomes of many questions and what is made of them: means, means of means, and all of a group together.

Dimensions: n questions, B blind baselines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.compositional.forms import METRICS, Scores, Verdict, chances, judge
from concord.benchmarks.statistics import Floats, Statistic
from concord.benchmarks.task import Asked
from concord.items import Item

STRICT, HALF, CHANCE, BLIND = 0, 1, 2, 3

BlindVerdicts = Sequence[Verdict] | None
"""What a blind baseline got out of one question, by metric; None where it has nothing to say."""


@dataclass(frozen=True)
class Tally:
    """How n questions came out by one metric.

    Attributes:
        asked: their names and units.
        table: [n, 3 + B], what each got with ties as misses, with ties broken by lot, what it would get by guessing, and what
            each blind baseline got with ties broken by lot; nan where a baseline has nothing to say.
        tied: [n] bool, whether a tie was in the way.
        baselines: B names.
    """

    asked: Asked
    table: Floats
    tied: NDArray[np.bool_]
    baselines: Sequence[str]

    def __len__(self) -> int:
        return len(self.asked)

    def take(self, rows: Sequence[int]) -> Tally:
        """Some of the questions."""
        chosen = np.asarray(rows, dtype=np.int64)
        return Tally(self.asked.take(rows), self.table[chosen], self.tied[chosen], self.baselines)

    def together(self, groups: Sequence[str]) -> Tally:
        """Each group as one question, which is right where all of its questions are; by question the name of its group."""
        names, first, group_of = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
        table = np.ones((len(names), self.table.shape[1]))
        np.multiply.at(table, group_of, self.table)
        tied = np.zeros(len(names), dtype=bool)
        np.logical_or.at(tied, group_of, self.tied)
        return Tally(Asked(names.tolist(), self.asked.units[first], self.asked.data), table, tied, self.baselines)

    def columns(self, parts: Parts | None = None) -> dict[str, Any]:
        """The further columns of the record of the mean over all questions, or of that over parts of them."""
        means = self.table.mean(axis=0) if parts is None else parts.means(self.table)
        blind = {name: float(mean) for name, mean in zip(self.baselines, means[BLIND:], strict=True) if not np.isnan(mean)}
        best = max(blind, key=lambda name: blind[name]) if blind else None
        return {
            "chance": float(means[CHANCE]),
            "half": float(means[HALF]),
            "ties": int(self.tied.sum()),
            "blind": None if best is None else blind[best],
            "blind_by": "" if best is None else best,
        }


@dataclass(frozen=True)
class Parts:
    """A division of n questions into parts, of whose means a weighted mean is taken.

    Attributes:
        part: [n] number of the part of each question.
        shares: by part its weight; they add up to 1.
    """

    part: NDArray[np.int64]
    shares: Floats

    def means(self, columns: Floats) -> Floats:
        """The weighted means of the parts' means of columns [n, K], [K]."""
        sums = np.zeros((len(self.shares), columns.shape[1]))
        np.add.at(sums, self.part, columns)
        return self.shares @ (sums / np.bincount(self.part, minlength=len(self.shares))[:, None])

    def mean_of(self, values: Floats) -> Statistic:
        """The weighted mean of the parts' means of values [n]; a sample without one of the parts goes by the others."""

        def statistic(weights: Floats) -> Floats:
            counts = np.bincount(self.part, weights, minlength=len(self.shares))
            sums = np.bincount(self.part, weights * values, minlength=len(self.shares))
            present = counts > 0
            shares = self.shares[present]
            return np.atleast_1d(shares @ (sums[present] / counts[present]) / shares.sum())

        return statistic


def alike(names: Sequence[str]) -> Parts:
    """Parts by name, [n], that weigh the same."""
    found, part = np.unique(np.asarray(names), return_inverse=True)
    return Parts(part, np.full(len(found), 1 / len(found)))


def shares_of(means: Mapping[str, Sequence[str]], parts: Sequence[str]) -> dict[str, dict[str, float]]:
    """By mean, the weight of each part in it; a mean may be made of parts and of means that stand before it.

    Means of anything else are left out.

    Args:
        means: by name what it is the mean of, at least one.
        parts: the names of the parts.
    """
    found: dict[str, dict[str, float]] = {part: {part: 1.0} for part in parts}
    for name, members in means.items():
        if not all(member in found for member in members):
            continue
        shares: dict[str, float] = {}
        for member in members:
            for part, share in found[member].items():
                shares[part] = shares.get(part, 0.0) + share / len(members)
        found[name] = shares
    return {name: found[name] for name in means if name in found}


def tallies_of(
    items: Sequence[Item], scores: Sequence[Scores], baselines: Mapping[str, Sequence[BlindVerdicts]], asked: Asked
) -> dict[str, Tally]:
    """By metric, how questions of one form came out."""
    verdicts = [judge(item, own) for item, own in zip(items, scores, strict=True)]
    guessed = [chances(item) for item in items]
    found = {}
    for column, metric in enumerate(METRICS[items[0].form]):
        own = [[verdict[column].strict, verdict[column].half, chance[column]] for verdict, chance in zip(verdicts, guessed, strict=True)]
        blind = [[np.nan if answer is None else answer[column].half for answer in answers] for answers in baselines.values()]
        table = np.column_stack([np.array(own), np.array(blind, dtype=np.float64).reshape(-1, len(items)).T])
        found[metric] = Tally(asked, table, np.array([verdict[column].tied for verdict in verdicts]), list(baselines))
    return found


def joined(tallies: Sequence[Tally]) -> Tally:
    """Several, one after another."""
    keys = [key for tally in tallies for key in tally.asked.keys]
    asked = Asked(keys, np.concatenate([tally.asked.units for tally in tallies]), tallies[0].asked.data)
    table, tied = np.concatenate([tally.table for tally in tallies]), np.concatenate([tally.tied for tally in tallies])
    return Tally(asked, table, tied, tallies[0].baselines)
