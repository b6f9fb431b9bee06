"""Token-wise late interaction (FILIP: Yao et al. 2022).

Dimensions: N queries of P tokens, M keys of T tokens, E width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from concord.functional.precision import full_precision


@full_precision
def token_scores(query_tokens: Tensor, query_mask: Tensor | None, key_tokens: Tensor, key_mask: Tensor | None, chunk: int) -> Tensor:
    """Score of every query with every key: each token of the query finds its best token of the key (FILIP, eq. 3-4).

    The score is the mean over valid query tokens of the maximum over valid key tokens of their inner product. It is not
    symmetric. Only `chunk` queries are compared at a time, and their [chunk, P, M, T] products are computed again in the
    backward pass instead of being kept.

    Args:
        query_tokens: [N, P, E], of unit length where a cosine is wanted.
        query_mask: [N, P] bool, True at valid tokens; None where all are. A query without any scores 0.
        key_tokens: [M, T, E].
        key_mask: [M, T] bool; None where all are. A key without any scores -inf.
        chunk: queries at a time, at least 1.

    Returns:
        [N, M].
    """
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    masks = [None] * len(query_tokens) if query_mask is None else torch.split(query_mask, chunk)
    parts = zip(torch.split(query_tokens, chunk), masks, strict=False)
    return torch.cat([_recomputed(tokens, mask, key_tokens, key_mask) for tokens, mask in parts])


def _recomputed(query_tokens: Tensor, query_mask: Tensor | None, key_tokens: Tensor, key_mask: Tensor | None) -> Tensor:
    if not torch.is_grad_enabled():
        return _block(query_tokens, query_mask, key_tokens, key_mask)
    scores: Tensor = checkpoint(_block, query_tokens, query_mask, key_tokens, key_mask, use_reentrant=False, preserve_rng_state=False)
    return scores


def _block(query_tokens: Tensor, query_mask: Tensor | None, key_tokens: Tensor, key_mask: Tensor | None) -> Tensor:
    n, p, _ = query_tokens.shape
    m, t, _ = key_tokens.shape
    products = (query_tokens.flatten(0, 1) @ key_tokens.flatten(0, 1).T).view(n, p, m, t)
    if key_mask is not None:
        products = products.masked_fill(~key_mask, float("-inf"))
    best = products.max(dim=3).values  # the index is all that its backward needs
    if query_mask is None:
        return best.mean(dim=1)
    best = best.masked_fill(~query_mask[:, :, None], 0.0)
    return best.sum(dim=1) / query_mask.sum(dim=1).clamp(min=1)[:, None]
