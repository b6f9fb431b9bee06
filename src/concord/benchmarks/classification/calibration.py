"""Whether a model's probabilities can be believed: calibration error, proper scores, and one temperature that mends the most.

Dimensions: N images, C classes, b bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from concord.benchmarks.classification.standings import TILE

Floats = NDArray[np.float64]
Logits = Callable[[Tensor], Tensor]

BINS = 15
FITTED = 5000
"""Examples that a temperature is fitted to at most: it is one number."""

COLDEST, HOTTEST = 1e-3, 1e3

HALVINGS = 30
"""Of the range of the log temperature; they leave a relative error of about 1e-8."""

SILENT = 1e-4
"""Logits that differ by less say nothing: no temperature is better than another."""


@dataclass(frozen=True)
class Bins:
    """Probabilities and what came of them.

    Attributes:
        edges: [b + 1] from 0 to 1; a probability on an edge belongs to the bin below.
        counts: [b] how many fall into each bin.
        confidence, accuracy: [b] mean probability and share that came true; 0 in an empty bin.
    """

    edges: Floats
    counts: Floats
    confidence: Floats
    accuracy: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: sum over bins of n_b / N |accuracy - confidence| (Guo et al. 2017, eq. 3)."""
        return float(self.counts @ np.abs(self.accuracy - self.confidence) / self.counts.sum())


@dataclass(frozen=True)
class Beliefs:
    """What a softmax over the logits of N images says.

    Attributes:
        confidence: [N] probability of the likeliest class.
        nll: [N] minus the log of the probability of the right class.
        brier: [N] sum over classes of the squared error of the probability, from 0 to 2.
        pairs: every class of every image against whether it is right, by the sigmoid of its logit; None unless asked for.
    """

    confidence: Floats
    nll: Floats
    brier: Floats
    pairs: Bins | None = None


def beliefs(scores: Tensor, labels: Tensor, logits: Logits, temperature: float = 1.0, pairwise: bool = False) -> Beliefs:
    """Probabilities from scores [N, C], some rows at a time, in double precision.

    Args:
        scores: [N, C].
        labels: [N] int64.
        logits: from scores to what the training saw.
        temperature: divides the logits.
        pairwise: whether to look at every pair as well.
    """
    height = max(1, TILE // scores.shape[1])
    parts, pairs = [], np.zeros((3, BINS))
    for start in range(0, len(scores), height):
        own = labels[start : start + height]
        tile = logits(scores[start : start + height]).double()
        logs = (tile / temperature).log_softmax(dim=1)
        right = logs.gather(1, own[:, None])[:, 0]
        squares = logs.exp().square().sum(dim=1)
        parts.append(torch.stack([logs.amax(dim=1).exp(), -right, squares - 2 * right.exp() + 1]))
        if pairwise:
            pairs += _pair_sums(tile.sigmoid(), own)
    confidence, nll, brier = torch.cat(parts, dim=1).numpy()
    return Beliefs(confidence, nll, brier, _bins(*pairs) if pairwise else None)


def reliability(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> Bins:
    """Bins of equal width of probabilities [N] and whether each came true [N]."""
    place = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(np.int64)
    columns = (np.ones(len(place)), confidence, right.astype(np.float64))
    return _bins(*(np.bincount(place, column, minlength=bins).astype(np.float64) for column in columns))


def adaptive_error(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> float:
    """Calibration error with bins of equally many examples (Nixon et al. 2019)."""
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return float(sum(abs(right[part].sum() - confidence[part].sum()) for part in parts) / len(confidence))


def fit_temperature(scores: Tensor, labels: Tensor, logits: Logits) -> float:
    """The temperature with the least negative log-likelihood, between 0.001 and 1000 (Guo et al. 2017).

    The likelihood is convex in the inverse of the temperature, whose derivative is followed to its sign change. Where the
    logits of each image are all the same, it is 1; where everything is right, one that leaves no loss.
    """
    tile = logits(scores).double()
    tile = tile - tile.mean(dim=1, keepdim=True)
    right = tile.gather(1, labels[:, None])[:, 0].mean()

    def slope(inverse: float) -> float:
        return float(((tile * inverse).softmax(dim=1) * tile).sum(dim=1).mean() - right)

    if float(tile.abs().max()) < SILENT:
        return 1.0
    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(float(np.exp(middle))) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def _pair_sums(probabilities: Tensor, labels: Tensor) -> Floats:
    """Counts, sums of probabilities and of right pairs by bin, [3, b]."""
    right = torch.zeros_like(probabilities).scatter_(1, labels[:, None], 1.0).flatten()
    probabilities = probabilities.flatten()
    place = (torch.ceil(probabilities * BINS) - 1).clamp(0, BINS - 1).long()
    return torch.stack([torch.bincount(place, weights, BINS) for weights in (torch.ones_like(right), probabilities, right)]).numpy()


def _bins(counts: Floats, confidence: Floats, right: Floats) -> Bins:
    size = np.maximum(counts, 1)
    return Bins(np.linspace(0, 1, len(counts) + 1), counts, confidence / size, right / size)
