"""The loss of each source of a mixture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch

from concord.distributed import Ranks
from concord.objectives import Terms


class SourceLosses:
    """Means of the terms over the pairs of each source, on all ranks. A run that has met one source alone has nothing to tell apart.

    Attributes:
        met: names of the sources that batches held so far; the same on every rank.
    """

    def __init__(self) -> None:
        self.met: set[str] = set()

    def __call__(self, terms: Mapping[str, Terms], sources: Sequence[str], ranks: Ranks) -> dict[str, float]:
        """By TERM/SOURCE, for the terms that know the cost of each pair.

        Args:
            terms: what the objectives said of a batch.
            sources: of this rank's pairs.
            ranks: each must call, with the same terms.
        """
        self.met.update(*ranks.gather_objects(set(sources)))
        if len(self.met) < 2:
            return {}
        totals: defaultdict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for sums in ranks.gather_objects(_sums(terms, sources)):
            for name, (cost, weight) in sums.items():
                totals[name][0] += cost
                totals[name][1] += weight
        return {f"{term}/{source}": cost / weight for (term, source), (cost, weight) in sorted(totals.items()) if weight > 0}


def _sums(terms: Mapping[str, Terms], sources: Sequence[str]) -> dict[tuple[str, str], tuple[float, float]]:
    """Of each term and source of this rank: the weighted sum of the costs, and of the weights."""
    names = sorted(set(sources))
    rows = torch.tensor([names.index(source) for source in sources])
    sums = {}
    for term, said in terms.items():
        if said.examples is None:
            continue
        costs = said.examples.double().cpu()
        weights = torch.ones_like(costs) if said.weights is None else said.weights.double().cpu()
        for row, name in enumerate(names):
            chosen = rows == row
            sums[term, name] = float((costs * weights)[chosen].sum()), float(weights[chosen].sum())
    return sums
