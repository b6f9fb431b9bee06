"""How embeddings of images and captions lie in their space.

Dimensions: N pairs, E embedding width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks.collapsed import Collapsed
from concord.benchmarks.diagnostics import geometry, pictures
from concord.benchmarks.diagnostics.kernels import LEAST, cka, keep_vectors, kept_vectors
from concord.benchmarks.diagnostics.neighbourhoods import centred, hits, hubness, neighbour_overlap
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Record, Results
from concord.benchmarks.statistics import Interval, bootstrap, mean_of, percentile_interval, share_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import DataError
from concord.types import Paper

SHARES = ("r1", "centred_r1")


class Diagnostics(Task):
    """How the space of images and of their first captions is used, on unit vectors. It says little of how good a model is, and
    only recalls have a chance.

    For similarities that do not compare unit vectors, it looks at the directions of the vectors. Means over pairs carry an
    interval.

    Records, `diagnostics/DATASET/`:
        modality_gap, relative_gap: distance of the centroids, and the same over the spread within the modalities.
        alignment, positive_cosine, negative_cosine: of pairs that belong together, and of those that do not.
        centroid_cosine, separability: of the two modalities; one half where they cannot be told apart.
        neighbour_overlap: share of the k nearest images whose captions are the k nearest; k / (N - 1) in unrelated spaces.
        {image,text}/{uniformity,effective_rank,participation_ratio,stable_rank,centroid_norm}: the effective rank is not
            centred, the participation ratio and the stable rank are.
        {image_to_text,text_to_image}/{r1,centred_r1,hubness}: recall at 1 among the N first captions, before and after each
            modality is centred, which closes the gap; equal captions tie, and ties are misses. Hubness is the skewness of how
            often something is among the k nearest.
        {image,text}/{cka,overlap}: with `reference`, how alike these vectors are to those of another model.

    Args:
        reader: pairs with captions.
        k: neighbours of hubness and overlap, at most N - 1.
        keep: a file (.safetensors) to write the vectors to, as a reference for another model; null writes none.
        reference: a file that this task kept for another model, or for another checkpoint of the same run, on the same pairs.
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

    def __init__(
        self,
        reader: Reader,
        k: int = 10,
        keep: str | None = None,
        reference: str | None = None,
        limit: int | None = 2000,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        self.k = k
        self.keep = None if keep is None else Path(keep)
        self.reference = None if reference is None else Path(reference)

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "k": self.k}

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader, self.limit)
        rows = [row for row, pair in enumerate(examples.pairs) if pair.captions]
        if len(rows) < 2:
            raise DataError(f"{self.reader.name}: diagnostics need at least 2 examples with a caption, got {len(rows)}")
        pairs = [examples.pairs[row] for row in rows]
        texts = _unit(evaluation.texts([pair.captions[0] for pair in pairs]).vectors)
        images = _unit(examples.images.vectors[rows])
        asked = Asked([pair.key for pair in pairs], self.units(pairs), examples.checksum)
        self._keep(evaluation, images, texts, asked)
        if images.isfinite().all() and texts.isfinite().all():
            records = self._records(evaluation, images, texts, asked)
            return Results(records, figures=self._pictures(evaluation, images, texts))
        names = self._records(evaluation, torch.ones_like(images), torch.ones_like(texts), asked)
        return Results([replace(record, value=math.nan, low=None, high=None) for record in names])

    def _records(self, evaluation: Evaluation, images: Tensor, texts: Tensor, asked: Asked) -> list[Record]:
        parts = (self._means, self._whole, self._spread, self._likeness)
        return [record for part in parts for record in part(evaluation, images, texts, asked)]

    def _means(self, evaluation: Evaluation, images: Tensor, texts: Tensor, asked: Asked) -> list[Record]:
        """What is a mean over pairs, all from the same resamples."""
        k = min(self.k, len(asked) - 1)
        moved = centred(images), centred(texts)
        one = 1 / len(asked)
        columns: list[tuple[str, str, np.ndarray, float | None]] = [
            ("", "alignment", geometry.alignment(images, texts).numpy(), None),
            ("", "positive_cosine", (images * texts).sum(dim=1).numpy(), None),
            ("", "neighbour_overlap", neighbour_overlap(images, texts, k).numpy(), None),
            ("image_to_text", "r1", hits(images, texts), one),
            ("text_to_image", "r1", hits(texts, images), one),
            ("image_to_text", "centred_r1", hits(moved[0], moved[1]), one),
            ("text_to_image", "centred_r1", hits(moved[1], moved[0]), one),
        ]
        intervals: list[Interval | None] = [None] * len(columns)
        if evaluation.bootstrap:
            rng = evaluation.generator(self.kind, self.reader.name)
            units = np.unique(asked.units, return_inverse=True)[1]
            samples = bootstrap(mean_of(np.stack([column[2] for column in columns], 1)), len(asked), evaluation.bootstrap, rng, units)
            intervals = [
                share_interval(float(column[2].mean()), drawn, int(units.max()) + 1) if column[1] in SHARES else percentile_interval(drawn)
                for column, drawn in zip(columns, samples.T, strict=True)
            ]
        return [
            self.record(evaluation, metric, float(values.mean(dtype=np.float64)), chance, asked, interval, subset)
            for (subset, metric, values, chance), interval in zip(columns, intervals, strict=True)
        ]

    def _whole(self, evaluation: Evaluation, images: Tensor, texts: Tensor, asked: Asked) -> list[Record]:
        """What is about both modalities as wholes."""
        rng = evaluation.generator(self.kind, self.reader.name, "separability")
        centroids = images.mean(dim=0), texts.mean(dim=0)
        k = min(self.k, len(asked) - 1)
        found = [
            ("", "modality_gap", geometry.modality_gap(images, texts)),
            ("", "relative_gap", geometry.relative_gap(images, texts)),
            ("", "negative_cosine", geometry.negative_cosine(images, texts)),
            ("", "centroid_cosine", float(F.cosine_similarity(*centroids, dim=0))),
            ("", "separability", geometry.separability(images, texts, rng)),
            ("image_to_text", "hubness", hubness(images, texts, k)),
            ("text_to_image", "hubness", hubness(texts, images, k)),
        ]
        return [self.record(evaluation, metric, value, None, asked, None, subset) for subset, metric, value in found]

    def _spread(self, evaluation: Evaluation, images: Tensor, texts: Tensor, asked: Asked) -> list[Record]:
        """What is about one modality by itself."""
        measures: Mapping[str, Callable[[Tensor], float]] = {
            "uniformity": geometry.uniformity,
            "effective_rank": geometry.effective_rank,
            "participation_ratio": lambda vectors: geometry.participation_ratio(_moved(vectors)),
            "stable_rank": lambda vectors: geometry.stable_rank(_moved(vectors)),
            "centroid_norm": lambda vectors: float(vectors.mean(dim=0).norm()),
        }
        return [
            self.record(evaluation, metric, measure(vectors), None, asked, None, modality)
            for modality, vectors in (("image", images), ("text", texts))
            for metric, measure in measures.items()
        ]

    def _likeness(self, evaluation: Evaluation, images: Tensor, texts: Tensor, asked: Asked) -> list[Record]:
        """How alike these vectors are to those of the reference."""
        if self.reference is None:
            return []
        if len(asked) < LEAST:
            raise DataError(f"{self.reader.name}: a comparison with a reference needs at least {LEAST} examples, got {len(asked)}")
        k = min(self.k, len(asked) - 1)
        records = []
        for modality, own, other in zip(("image", "text"), (images, texts), kept_vectors(self.reference, asked.keys), strict=True):
            overlap = float(neighbour_overlap(own, other, k).mean())
            records.append(self.record(evaluation, "cka", cka(own, other), None, asked, None, modality))
            records.append(self.record(evaluation, "overlap", overlap, None, asked, None, modality))
        return records

    def _keep(self, evaluation: Evaluation, images: Tensor, texts: Tensor, asked: Asked) -> None:
        if self.keep is not None and evaluation.ranks.rank == 0 and not isinstance(evaluation.scorer, Collapsed):
            keep_vectors(self.keep, images, texts, asked.keys)

    def _pictures(self, evaluation: Evaluation, images: Tensor, texts: Tensor) -> dict[str, dict[str, Any]]:
        if not evaluation.gallery:
            return {}
        name, prefix = self.reader.name, f"{self.kind}/{self.reader.name}"
        rng = evaluation.generator(self.kind, name, "wrong pairs")
        return {
            f"{prefix}/cosines": pictures.cosines(f"{name}: cosines of right and wrong pairs", images, texts, rng),
            f"{prefix}/plane": pictures.plane(f"{name}: principal components of images and texts", images, texts),
        }


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float().cpu(), dim=1)


def _moved(vectors: Tensor) -> Tensor:
    """Without their mean; what is only a rounding error of it becomes zero."""
    moved = vectors.double() - vectors.double().mean(dim=0)
    return torch.where(moved.norm(dim=1, keepdim=True) > 1e-6, moved, 0.0)
