"""Embeddings across ranks, for the losses that compare the examples of all of them.

Dimensions: b rows on this rank, W ranks, N tokens, E width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from concord.distributed import Ranks
from concord.types import Embeddings


def gather(ranks: Ranks, local: Embeddings) -> Embeddings:
    """The embeddings of all ranks in rank order, [W * b, ...], with exact gradients. Masked tokens are padded to the longest."""
    if ranks.world == 1:
        return local
    if local.mask is None:
        return Embeddings(ranks.gather(local.vectors), None if local.tokens is None else ranks.gather(local.tokens))
    tokens = None if local.tokens is None else ranks.gather_padded(local.tokens)
    return Embeddings(ranks.gather(local.vectors), tokens, ranks.gather_padded(local.mask))


def shift(ranks: Ranks, embeddings: Embeddings) -> Embeddings:
    """One hop round the ring, with gradient. Token axes must have one length on all ranks: see `pad_to_longest`."""
    tokens = None if embeddings.tokens is None else ranks.shift(embeddings.tokens)
    mask = None if embeddings.mask is None else ranks.shift(embeddings.mask.to(torch.uint8)).bool()
    return Embeddings(ranks.shift(embeddings.vectors), tokens, mask)


def pad_to_longest(ranks: Ranks, embeddings: Embeddings) -> Embeddings:
    """The same embeddings with token axes as long as the longest of all ranks. Without a mask all are as long already."""
    if ranks.world == 1 or embeddings.tokens is None or embeddings.mask is None:
        return embeddings
    local = embeddings.mask.shape[1]
    missing = int(ranks.max(torch.tensor(local, device=embeddings.mask.device))) - local
    return Embeddings(embeddings.vectors, _pad(embeddings.tokens, missing), _pad(embeddings.mask, missing))


def _pad(tensor: Tensor, missing: int) -> Tensor:
    """Zeros (False) behind the second axis."""
    return torch.cat([tensor, tensor.new_zeros(tensor.shape[0], missing, *tensor.shape[2:])], dim=1)
