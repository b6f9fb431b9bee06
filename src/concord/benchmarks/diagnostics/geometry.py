"""Where the vectors of two modalities lie, and how they spread.

Dimensions: N pairs, E embedding width.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks.classification.standings import standings
from concord.benchmarks.probes.logistic import Fitter

FOLDS = 5


def modality_gap(images: Tensor, texts: Tensor) -> float:
    """Distance between the centroids of unit vectors [N, E] (Liang et al. 2022), in [0, 2]."""
    return float((images.mean(dim=0) - texts.mean(dim=0)).norm())


def relative_gap(images: Tensor, texts: Tensor) -> float:
    """The modality gap over the spread within the modalities: the root mean squared distance of vectors to their own centroid.

    A narrow cone makes any gap look small; this tells how far the two clouds are apart by their own measure. Infinite where
    both modalities have collapsed to two points, nan where to one.
    """
    spread = (
        ((images - images.mean(dim=0)).square().sum(dim=1).mean() + (texts - texts.mean(dim=0)).square().sum(dim=1).mean()) / 2
    ).sqrt()
    return float((images.mean(dim=0) - texts.mean(dim=0)).norm() / spread)


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


def participation_ratio(vectors: Tensor) -> float:
    """How many directions carry the variance of vectors [N, E], as they are: the squared sum over the sum of squares of the
    squared singular values, in [1, min(N, E)]; nan where all vectors are zero."""
    variances = torch.linalg.svdvals(vectors.double()).square()
    return float(variances.sum().square() / variances.square().sum())


def stable_rank(vectors: Tensor) -> float:
    """The squared Frobenius norm over the squared spectral norm of vectors [N, E], as they are, in [1, min(N, E)]."""
    variances = torch.linalg.svdvals(vectors.double()).square()
    return float(variances.sum() / variances.max())


def negative_cosine(images: Tensor, texts: Tensor) -> float:
    """Mean cosine of unit vectors [N, E] that do not belong together."""
    count = len(images)
    together = images.double().sum(dim=0) @ texts.double().sum(dim=0)
    return float((together - (images.double() * texts.double()).sum()) / (count * (count - 1)))


def separability(images: Tensor, texts: Tensor, rng: np.random.Generator) -> float:
    """How often a linear classifier tells images from texts, [N, E] each, in five folds, pairs staying together; chance is 1/2.

    Where it cannot decide, half counts.
    """
    count = len(images)
    fold = rng.permutation(np.arange(count) % min(FOLDS, count))
    vectors, labels = torch.stack([images, texts]).double().numpy(), np.repeat([0, 1], count).reshape(2, count)
    shares = []
    for place in range(int(fold.max()) + 1):
        own = fold == place
        head = Fitter("torch").fit(vectors[:, ~own].reshape(-1, vectors.shape[2]), labels[:, ~own].ravel(), 2, 1.0)
        asked = torch.from_numpy(labels[:, own].ravel())
        shares.append(standings(head.scores(vectors[:, own].reshape(-1, vectors.shape[2])), asked).expected())
    return float(np.concatenate(shares).mean())
