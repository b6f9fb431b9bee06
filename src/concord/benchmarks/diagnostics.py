"""How embeddings of images and captions lie in their space.

Dimensions: N pairs, E embedding width.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Record, Results
from concord.benchmarks.statistics import Interval, bootstrap, mean_of, percentile_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import DataError
from concord.types import Paper


def modality_gap(images: Tensor, texts: Tensor) -> float:
    """Distance between the centroids of unit vectors [N, E] (Liang et al. 2022), in [0, 2]."""
    return float((images.mean(dim=0) - texts.mean(dim=0)).norm())


def alignment(images: Tensor, texts: Tensor) -> Tensor:
    """Squared distance of each pair of unit vectors [N, E] (Wang and Isola 2020, alpha = 2), [N] in [0, 4]."""
    return (images - texts).square().sum(dim=1)


def uniformity(vectors: Tensor) -> float:
    """Log of the mean over pairs of exp(-2 squared distance) of unit vectors [N, E] (Wang and Isola 2020, t = 2), in [-8, 0].

    0 where all vectors are equal; about -4 where they spread evenly in many dimensions.
    """
    squared = F.pdist(vectors.double()).square()
    return float((-2 * squared).logsumexp(dim=0)) - math.log(len(squared))


def effective_rank(vectors: Tensor) -> float:
    """Exponential of the entropy of the singular values of vectors [N, E], not centred (RankMe, Garrido et al. 2023).

    In [1, min(N, E)]; comparable only at equal N.
    """
    singular = torch.linalg.svdvals(vectors.double())
    shares = singular / singular.sum()
    return float(torch.special.entr(shares).sum().exp())


class Diagnostics(Task):
    """Modality gap, alignment, uniformity and effective rank, on unit vectors of images and of their first captions.

    They say how an embedding space is used, not how good it is: there is no chance level. For similarities that do not
    compare unit vectors, they look at the directions of the vectors.

    Records: `diagnostics/DATASET/{modality_gap,alignment,positive_cosine}` and
    `diagnostics/DATASET/{image,text}/{uniformity,effective_rank}`. Means over pairs carry an interval.

    Args:
        reader: pairs with captions.
        limit, unit: see `Task`. The cost grows with its square.
    """

    kind = "diagnostics"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "Understanding Contrastive Representation Learning through Alignment and Uniformity on the Hypersphere",
        "Wang and Isola",
        2020,
        "https://arxiv.org/abs/2005.10242",
    )

    def __init__(self, reader: Reader, limit: int | None = 2000, unit: str | None = None) -> None:
        super().__init__(reader, limit, unit)

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader, self.limit)
        rows = [row for row, pair in enumerate(examples.pairs) if pair.captions]
        if len(rows) < 2:
            raise DataError(f"{self.reader.name}: diagnostics need at least 2 examples with a caption, got {len(rows)}")
        texts = evaluation.texts([examples.pairs[row].captions[0] for row in rows])
        pairs = [examples.pairs[row] for row in rows]
        asked = Asked([pair.key for pair in pairs], self.units(pairs), examples.checksum)
        return Results(self._records(evaluation, _unit(examples.images.vectors[rows]), _unit(texts.vectors), asked))

    def _records(self, evaluation: Evaluation, images: Tensor, texts: Tensor, asked: Asked) -> list[Record]:
        pairs = torch.stack([alignment(images, texts), (images * texts).sum(dim=1)], dim=1).double().numpy()  # [N, 2]
        finite = bool(np.isfinite(pairs).all())
        intervals: list[Interval | None] = [None, None]
        if finite and evaluation.bootstrap:
            rng = evaluation.generator(self.kind, self.reader.name)
            samples = bootstrap(mean_of(pairs), len(asked), evaluation.bootstrap, rng, asked.units)
            intervals = [percentile_interval(samples[:, column]) for column in (0, 1)]

        def record(subset: str, metric: str, value: float, interval: Interval | None = None) -> Record:
            return self.record(evaluation, metric, value, None, asked, interval, subset)

        def mean(metric: str, column: int) -> Record:
            return record("", metric, float(pairs[:, column].mean()), intervals[column])

        spread = [
            record(modality, metric, measure(vectors) if finite else math.nan)
            for modality, vectors in (("image", images), ("text", texts))
            for metric, measure in (("uniformity", uniformity), ("effective_rank", effective_rank))
        ]
        return [record("", "modality_gap", modality_gap(images, texts)), mean("alignment", 0), mean("positive_cosine", 1), *spread]


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float().cpu(), dim=1)
