"""Any object that embeds images and texts, as a scorer.

Dimensions: N images, M texts, C classes, E embedding width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from concord.benchmarks.protocol import Query, Scorer
from concord.types import Embeddings, RawImage

Vectors = Tensor | NDArray[Any] | Embeddings


class Embedder(Protocol):
    """The least that can be measured. Either method may return a tensor or an array, [N, E], or `Embeddings`.

    It may have a `logit_scale`, the natural logarithm of what cosines are multiplied by, as OpenCLIP and Hugging Face's CLIP
    keep it, and a `logit_bias`, which is added then (SigLIP): calibration needs them.
    """

    def embed_images(self, images: Sequence[RawImage]) -> Vectors: ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors: ...


class CosineScorer:
    """Scores an embedder by cosine. The prompts of a class are averaged as unit vectors (CLIP, Radford et al. 2021).

    Args:
        embedder: what embeds.
    """

    symmetric = True

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        """Unit vectors [N, E].

        Raises:
            ValueError: where the embedder does not give one vector for each.
        """
        return _unit(self.embedder.embed_images(images), len(images), "embed_images")

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Unit vectors [M, E].

        Raises:
            ValueError: where the embedder does not give one vector for each.
        """
        return _unit(self.embedder.embed_texts(texts), len(texts), "embed_texts")

    def score(self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Query = "image") -> Tensor:
        """Cosines [N, M]."""
        images = images if isinstance(images, Embeddings) else self.embed_images(images)
        texts = texts if isinstance(texts, Embeddings) else self.embed_texts(texts)
        if images.vectors.shape[1] != texts.vectors.shape[1]:
            raise ValueError(f"images have {images.vectors.shape[1]} numbers each and texts {texts.vectors.shape[1]}; they must agree")
        return images.vectors @ texts.vectors.T

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        """Cosines with the mean prompt of each class, [N, C]."""
        texts = self.embed_texts([prompt for group in prompts for prompt in group])
        return self.score_groups(images, texts, [len(group) for group in prompts])

    def score_groups(self, images: Embeddings, texts: Embeddings, sizes: list[int]) -> Tensor:
        """As `score_classes`, for embedded prompts: the first class has `sizes[0]` of them, and so on."""
        means = torch.stack([part.mean(dim=0) for part in torch.split(texts.vectors, sizes)])
        return self.score(images, Embeddings(F.normalize(means, dim=-1)))


class ScaledCosineScorer(CosineScorer):
    """A cosine scorer of an embedder that says how its training scaled the cosines."""

    @property
    def pairwise(self) -> bool:
        """Whether each pair has a probability of its own (sigmoid), which a bias tells."""
        return getattr(self.embedder, "logit_bias", None) is not None

    def logits(self, scores: Tensor) -> Tensor:
        """Cosines times exp(logit_scale), plus logit_bias."""
        scale, bias = (torch.as_tensor(getattr(self.embedder, name, None) or 0.0) for name in ("logit_scale", "logit_bias"))
        return scores * math.exp(scale.item()) + bias.item()


def as_scorer(model: Scorer | Embedder) -> Scorer:
    """A scorer as it is, and an embedder as a `CosineScorer`.

    Raises:
        TypeError: for an object that has neither all methods of one nor of the other.
    """
    own = [method for method in ("score", "score_classes") if hasattr(model, method)]
    if len(own) == 2:
        return cast(Scorer, model)
    if own:  # its scores would be left aside for cosines, without a word
        lacking = "score_classes" if own == ["score"] else "score"
        raise TypeError(f"a scorer has score and score_classes; {type(model).__name__} has no {lacking}")
    for method in ("embed_images", "embed_texts"):
        if not callable(getattr(model, method, None)):
            raise TypeError(f"a model under test needs embed_images and embed_texts; {type(model).__name__} has no {method}")
    return CosineScorer(model) if getattr(model, "logit_scale", None) is None else ScaledCosineScorer(model)


def _unit(given: Vectors, count: int, method: str) -> Embeddings:
    vectors = given.vectors if isinstance(given, Embeddings) else torch.as_tensor(given)
    if vectors.ndim != 2 or len(vectors) != count:
        raise ValueError(f"{method} must return one vector for each of {count} inputs, [{count}, E], got {list(vectors.shape)}")
    return Embeddings(F.normalize(vectors.detach().to("cpu", torch.float32), dim=-1))
