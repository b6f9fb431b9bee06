"""k nearest neighbours: an image is of the class that most of its neighbours among the training images are of.

Dimensions: N test images, M training images, D features, C classes.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.probes.report import Metric, report
from concord.benchmarks.probes.seen import Look, Probe, digest
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Results, merge
from concord.benchmarks.retrieval.nearest import nearest, tie_width
from concord.errors import DataError
from concord.types import Paper

log = logging.getLogger(__name__)

Vote = Literal["weighted", "majority"]

TILE = 2**24
"""Cosines that are held at a time."""


class KNN(Probe):
    """Votes of the k training images whose features have the largest cosines with those of a test image.

    Images that tie for the last of the k places share them, and classes that tie for the best vote are misses, so that nothing
    depends on the order of the training set.

    Records, `knn/DATASET/weighted_kK/METRIC` and `knn/DATASET/majority_kK/METRIC`: top1, top5 and mean_per_class, chance as in
    `LinearProbe`.

    Args:
        train, reader, look: see `Probe`; one class per example.
        k: how many neighbours vote; those that exceed the training images are left out, with a warning.
        votes: "weighted": exp(cosine / temperature) counts (Wu et al. 2018, as DINO has it); "majority": each counts 1.
        temperature: of the weighted vote.
        metrics: what to report.
        limit, unit: see `Probe`. `limit` is of the test set.
    """

    kind = "knn"
    paper: ClassVar[Paper] = Paper(
        "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", "Wu et al.", 2018, "https://arxiv.org/abs/1805.01978"
    )

    def __init__(
        self,
        train: Reader,
        reader: Reader,
        k: tuple[int, ...] = (1, 5, 10, 20, 100, 200),
        votes: tuple[Vote, ...] = ("weighted", "majority"),
        temperature: float = 0.07,
        look: Look = "deepest",
        metrics: tuple[Literal["top1", "top5", "mean_per_class"], ...] = ("top1",),
        limit: int | None = None,
        unit: str | None = None,
    ) -> None:
        super().__init__(train, reader, look, limit, unit)
        if not k or any(number < 1 for number in k):
            raise ValueError(f"k must be numbers of at least 1, got {list(k)}")
        if not temperature > 0:
            raise ValueError(f"temperature must be greater than 0, got {temperature}")
        self.k = tuple(k)
        self.votes: tuple[Vote, ...] = tuple(votes)
        self.temperature = temperature
        self.metrics: tuple[Metric, ...] = tuple(metrics)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "temperature": self.temperature}

    def measure(self, evaluation: Evaluation) -> Results:
        train, test = self.see_single(evaluation)
        sizes = self._sizes(len(train))
        device = getattr(evaluation.scorer, "device", "cpu")
        memory = F.normalize(torch.from_numpy(train.features), dim=1).to(device)
        queries = F.normalize(torch.from_numpy(test.features), dim=1)
        labels = torch.from_numpy(train.labels)
        height = max(1, TILE // len(memory))
        tiles = [slice(start, start + height) for start in range(0, len(queries), height)]
        found = evaluation.ranks.spread(tiles, lambda rows: self._vote(queries[rows].to(device) @ memory.T, labels, sizes))
        test = replace(test, asked=replace(test.asked, data=digest(test.asked.data, train.asked.data)))
        names = [f"{vote}_k{k}" for k in sizes for vote in self.votes]
        scores = [torch.cat(column) for column in zip(*found, strict=True)]
        return merge(
            [report(self, evaluation, own, test, train.labels, self.metrics, name) for name, own in zip(names, scores, strict=True)]
        )

    def _sizes(self, images: int) -> list[int]:
        """The numbers of neighbours that there are.

        Raises:
            DataError: where all are too large.
        """
        sizes = [k for k in self.k if k <= images]
        if not sizes:
            raise DataError(f"{self.train.name}: it has {images} training images, so k must be at most that")
        if len(sizes) < len(self.k):
            log.warning("%s: it has %d training images; larger k are left out", self.train.name, images)
        return sizes

    def _vote(self, cosines: Tensor, labels: Tensor, sizes: list[int]) -> list[Tensor]:
        """Votes [n, C] for each k and kind of vote."""
        best = cosines.topk(min(max(sizes) + 1, cosines.shape[1]), dim=1)
        values, places, width = best.values.cpu(), best.indices.cpu(), tie_width(cosines).cpu()
        votes = []
        for k in sizes:
            shared = torch.zeros(len(values), dtype=torch.bool)
            if k < values.shape[1]:
                shared = values[:, k] >= values[:, k - 1] - width[:, 0]
            tied = cosines[shared.to(cosines.device)].cpu()
            for vote in self.votes:
                own = _counted(self._weights(values[:, :k], vote), labels[places[:, :k]], len(self.class_names))
                if len(tied):
                    weights = nearest(tied, k) * self._weights(tied, vote)
                    own[shared] = _counted(weights, labels.expand(len(tied), -1), len(self.class_names))
                votes.append(own)
        return votes

    def _weights(self, cosines: Tensor, vote: Vote) -> Tensor:
        """What each neighbour counts, relative to the nearest."""
        if vote == "majority":
            return torch.ones_like(cosines, dtype=torch.float64)
        return ((cosines - cosines.amax(dim=1, keepdim=True)).double() / self.temperature).exp()


def _counted(weights: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The sum of the weights [n, k] of each class, [n, C]."""
    return torch.zeros(len(weights), classes, dtype=torch.float64).scatter_add_(1, labels, weights)
