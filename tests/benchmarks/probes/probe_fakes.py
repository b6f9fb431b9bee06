"""Models and data sets for probes: given vectors, and labels drawn around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks import Bench, Record, Results, Task
from concord.types import Embeddings, Pair, RawImage
from tests.benchmarks.benchmark_fakes import FakeReader, FakeScorer


class Split(FakeReader):
    """Pairs whose pictures are numbered from a start, so that several readers share one table of vectors."""

    def __init__(self, labels: Sequence[Any], class_names: list[str], name: str, start: int = 0, unit: int = 1) -> None:
        several = isinstance(labels[0], list)
        metadata = [{"labels" if several else "label": label, "patient": (start + i) // unit} for i, label in enumerate(labels)]
        super().__init__([["x"]] * len(labels), metadata, class_names, name)
        self.start = start

    def __getitem__(self, index: int) -> Pair:
        pair = super().__getitem__(index)
        number = index + self.start
        image = np.full((4, 4, 3), (number // 65536, number // 256 % 256, number % 256), dtype=np.uint8)
        return Pair(image, pair.captions, f"{self.name}-{index}", pair.source, pair.metadata)


class Vectors(FakeScorer):
    """Vectors of pictures by number, and of class names; scores are inner products.

    Args:
        images: [N, D].
        texts: by text, [D].
        scale: what scores are multiplied by for a softmax.
    """

    pairwise = False

    def __init__(self, images: np.ndarray, texts: dict[str, np.ndarray] | None = None, scale: float = 10.0) -> None:
        super().__init__()
        self.table = torch.from_numpy(np.asarray(images, dtype=np.float32))
        self.words = texts or {}
        self.scale = scale

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        return Embeddings(self.table[super().embed_images(images).vectors[:, 0].long()])

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(torch.stack([torch.from_numpy(np.asarray(self.words[text], dtype=np.float32)) for text in texts]))

    def score(self, images: Any, texts: Any, query: str = "image") -> Tensor:
        return images.vectors @ texts.vectors.T

    def logits(self, scores: Tensor) -> Tensor:
        return scores * self.scale


class Featured(Vectors):
    """Shows other vectors before its projection."""

    def __init__(self, images: np.ndarray, features: np.ndarray) -> None:
        super().__init__(images)
        self.features = Vectors(features)

    def embed_features(self, images: Sequence[RawImage]) -> Embeddings:
        return self.features.embed_images(images)


def clouds(count: int, classes: int = 3, width: int = 6, spread: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre per class, [count, width], and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    return rng.normal(size=(classes, width))[labels] + spread * rng.normal(size=(count, width)), labels


def measure(task: Task, scorer: Any, **settings: Any) -> dict[str, Record]:
    """The records by their names without task and data set."""
    results = run(task, scorer, **settings)
    return {record.name.split("/", 2)[2]: record for record in results.records}


def run(task: Task, scorer: Any, **settings: Any) -> Results:
    return Bench({"probe": task}, **{"bootstrap": 100, "gallery": 2, **settings}).run(scorer)
