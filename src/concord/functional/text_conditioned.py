"""Images that take the shape of the text they are compared with (Llip: Lavoie et al. 2024).

Dimensions: N images of K mixture tokens, M texts, H heads of width d, E = H * d.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from concord.functional.precision import full_precision


@full_precision
def conditioned_cosines(
    keys: Tensor, values: Tensor, queries: Tensor, texts: Tensor, output: Tensor, temperature: float, chunk: int
) -> Tensor:
    """Cosine of every text with what it makes of every image.

    In each head the query of the text weighs the K tokens of the image by a softmax; the weighted sums of their values, side by
    side and through a linear map, are the image as this text sees it. Only `chunk` images are compared at a time, and what
    belongs to a pair is computed again in the backward pass instead of being kept.

    Args:
        keys, values: [N, K, H, d] of the images.
        queries: [M, H, d] of the texts.
        texts: [M, E], of unit length.
        output: [E, E], the linear map; its rows are outputs.
        temperature: above 0; divides query . key / sqrt(d).
        chunk: images at a time, at least 1.

    Returns:
        [N, M] in [-1, 1].
    """
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    scaled = queries / (temperature * queries.shape[-1] ** 0.5)
    parts = zip(torch.split(keys, chunk), torch.split(values, chunk), strict=True)
    return torch.cat([_recomputed(key, value, scaled, texts, output) for key, value in parts])


def _recomputed(keys: Tensor, values: Tensor, queries: Tensor, texts: Tensor, output: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return _block(keys, values, queries, texts, output)
    scores: Tensor = checkpoint(_block, keys, values, queries, texts, output, use_reentrant=False, preserve_rng_state=False)
    return scores


def _block(keys: Tensor, values: Tensor, queries: Tensor, texts: Tensor, output: Tensor) -> Tensor:
    weights = torch.einsum("nkhd,mhd->nmhk", keys, queries).softmax(dim=-1)
    mixed = torch.einsum("nmhk,nkhd->nmhd", weights, values).flatten(2)
    return torch.einsum("nme,me->nm", F.normalize(mixed @ output.T, dim=-1), texts)
