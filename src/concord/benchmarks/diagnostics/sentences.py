"""Semantic textual similarity: whether texts that people find alike lie near one another.

Dimensions: N pairs of texts.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch.nn.functional as F

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.probes.seen import digest
from concord.benchmarks.ranking import TIE
from concord.benchmarks.records import Results
from concord.benchmarks.statistics import Floats, bootstrap, percentile_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import DataError
from concord.items import SentencePairs
from concord.types import Paper


class Sts(Task):
    """Correlation of the cosines of text embeddings with scores of people. For other similarities it looks at directions.

    Records, `sts/DATASET/`: spearman, of average ranks, and pearson; in [-1, 1], chance is 0. Intervals draw pairs. All pairs of
    the data set are ranked together, as MTEB does, also where it is made of several parts.

    Args:
        reader: pairs of sentences with scores.
        limit: at most so many pairs, a random subset by the seed of the bench; None takes all.
    """

    kind = "sts"
    reader: SentencePairs
    paper: ClassVar[Paper] = Paper(
        "SemEval-2017 Task 1: Semantic Textual Similarity Multilingual and Crosslingual Focused Evaluation",
        "Cer et al.",
        2017,
        "https://arxiv.org/abs/1708.00055",
    )

    def __init__(self, reader: SentencePairs, limit: int | None = None) -> None:
        super().__init__(reader, limit)

    def run(self, evaluation: Evaluation) -> Results:
        pairs = list(self.reader.pairs)
        if self.limit is not None and self.limit < len(pairs):
            rows = evaluation.generator("subset", self.reader.name).choice(len(pairs), self.limit, replace=False)
            pairs = [pairs[row] for row in sorted(rows.tolist())]
        if len(pairs) < 2:
            raise DataError(f"{self.reader.name}: a correlation needs at least 2 pairs, got {len(pairs)}")
        texts = list(dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second)))
        place = {text: number for number, text in enumerate(texts)}
        vectors = F.normalize(evaluation.texts(texts).vectors.double(), dim=1)
        first, second = (vectors[[place[getattr(pair, side)] for pair in pairs]] for side in ("first", "second"))
        data = digest(*(f"{pair.first}\n{pair.second}\n{pair.score}" for pair in pairs))
        asked = Asked([pair.key for pair in pairs], np.arange(len(pairs)), data)
        return self._measured(evaluation, (first * second).sum(dim=1).numpy(), np.array([pair.score for pair in pairs]), asked)

    def _measured(self, evaluation: Evaluation, cosines: Floats, scores: Floats, asked: Asked) -> Results:
        cosines = np.rint(cosines / TIE) * TIE  # rounding errors are no order
        said, meant = _places(cosines), _places(scores)

        def statistic(weights: Floats) -> Floats:
            return np.array([pearson(_ranks(*said, weights), _ranks(*meant, weights), weights), pearson(cosines, scores, weights)])

        values, drawn = statistic(np.ones(len(asked))), None
        if evaluation.bootstrap and np.isfinite(values).all():
            rng = evaluation.generator(self.kind, self.reader.name)
            drawn = bootstrap(statistic, len(asked), evaluation.bootstrap, rng)
        intervals = [None if drawn is None else percentile_interval(drawn[:, column]) for column in (0, 1)]
        return Results(
            [
                self.record(evaluation, metric, float(value), 0.0, asked, interval)
                for metric, value, interval in zip(("spearman", "pearson"), values, intervals, strict=True)
            ]
        )


def pearson(first: Floats, second: Floats, weights: Floats) -> float:
    """Correlation of values [N], of which each counts so often, [N]; 0 where one side is constant."""
    total = weights.sum()
    a, b = (values - weights @ values / total for values in (first, second))
    variances = (weights @ a**2) * (weights @ b**2)
    return 0.0 if variances <= (total * 1e-12) ** 2 else float(weights @ (a * b) / np.sqrt(variances))


def _places(values: Floats) -> tuple[np.ndarray, int]:
    """By value, its place among the different ones, and how many there are."""
    different, place = np.unique(values, return_inverse=True)
    return place, len(different)


def _ranks(place: np.ndarray, different: int, weights: Floats) -> Floats:
    """Average ranks [N] in a sample in which each value counts so often."""
    counts = np.bincount(place, weights, minlength=different)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks
