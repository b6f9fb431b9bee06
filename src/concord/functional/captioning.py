"""Next-token prediction: the captioning term of CoCa (Yu et al. 2022, eq. 4).

Dimensions: B captions, L text positions, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from concord.functional.precision import full_precision

IGNORED = -100


def next_tokens(ids: Tensor, mask: Tensor) -> Tensor:
    """What each position has to predict: the token after it, [B, L]; `IGNORED` where none follows.

    A target counts where the mask is True. Padding is told by the mask, never by its id: the id that pads may be a word too.
    The end-of-text token is a target.
    """
    targets = torch.full_like(ids, IGNORED)
    targets[:, :-1] = ids[:, 1:].masked_fill(~mask[:, 1:], IGNORED)
    return targets


@full_precision
def next_token_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of each caption, summed over its targets that count, [B] in nats.

    Sums, so that the caller can divide by a count of tokens that is not this rank's alone.

    Args:
        logits: [B, L, V], position t says what it expects at t + 1.
        targets: [B, L] from `next_tokens`.
    """
    # The targets are shifted instead of the logits, which would be copied.
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none")
    return losses.view(targets.shape).sum(dim=1)


def correct_tokens(logits: Tensor, targets: Tensor) -> Tensor:
    """How many targets of each caption are the most likely token, [B]."""
    return (logits.argmax(dim=-1) == targets).sum(dim=-1)
