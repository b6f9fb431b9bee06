"""A model that says the same of everything: what a test gives to who knows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from concord.types import Embeddings, PatchAttention, RawImage


class Collapsed:
    """All embeddings are one vector, all scores one number. A fair test gives it no more than chance."""

    pairwise = False
    symmetric = True
    patch_size = 1
    """Any size of a picture is a multiple of it."""

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        return same(len(images))

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return same(len(texts))

    def embed_features(self, images: Sequence[RawImage]) -> Embeddings:
        return same(len(images))

    def embed_patches(self, pixels: Tensor, attention: PatchAttention = "vanilla") -> tuple[Tensor, tuple[int, int]]:
        rows, columns = pixels.shape[-2:]
        return same(1).vectors.expand(len(pixels), rows * columns, 2), (rows, columns)

    def score(
        self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Literal["image", "text"] = "image"
    ) -> Tensor:
        return torch.ones(len(images), len(texts))

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        return torch.ones(len(images), len(prompts))

    def logits(self, scores: Tensor) -> Tensor:
        return scores


def same(count: int) -> Embeddings:
    """So many times the same unit vector, [count, 2]."""
    return Embeddings(torch.tensor([[1.0, 0.0]]).expand(count, 2).contiguous())
