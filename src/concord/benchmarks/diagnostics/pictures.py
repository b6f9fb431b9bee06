"""Pictures of an embedding space: right and wrong cosines, and both modalities in the plane.

Dimensions: N pairs, E embedding width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks import figures

BINS = 40
POINTS = 300
"""Pairs that are drawn."""


def cosines(title: str, images: Tensor, texts: Tensor, rng: np.random.Generator) -> figures.Figure:
    """Histogram of the cosines of N pairs, and of as many wrong ones: each image with the text of another."""
    step = int(rng.integers(1, len(images)))
    right, wrong = ((images * others).sum(dim=1).double().numpy() for others in (texts, texts.roll(step, dims=0)))
    low, high = float(min(right.min(), wrong.min())), float(max(right.max(), wrong.max()))
    edges = np.linspace(low - 1e-6, high + 1e-6, BINS + 1)
    counts = {name: np.histogram(values, edges)[0] for name, values in (("right pairs", right), ("wrong pairs", wrong))}
    return figures.histogram(title, edges, counts, "cosine")  # type: ignore[arg-type]


def plane(title: str, images: Tensor, texts: Tensor) -> figures.Figure:
    """The two principal components of both modalities together, of the first pairs."""
    shown = torch.cat([images[:POINTS], texts[:POINTS]]).double()
    points = principal(shown)
    count = len(shown) // 2
    return figures.projection(title, points.tolist(), ["image"] * count + ["text"] * count)


def principal(vectors: Tensor, count: int = 2) -> Tensor:
    """Vectors [N, E] on their first principal components, [N, count].

    The sign of a component is that which makes its largest loading positive, so that equal vectors give equal pictures.
    """
    moved = vectors - vectors.mean(dim=0)
    loadings = torch.linalg.svd(moved, full_matrices=False).Vh[:count]
    largest = loadings.gather(1, loadings.abs().argmax(dim=1, keepdim=True))
    points = moved @ (loadings * torch.where(largest < 0, -1.0, 1.0)).T
    return torch.nn.functional.pad(points, (0, count - points.shape[1]))
