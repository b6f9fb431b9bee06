"""InfoNCE over explicit logits (CLIP: Radford et al. 2021; ALIGN: Jia et al. 2021; ConVIRT: Zhang et al. 2020).

Dimensions: b rows of this process, M columns, which are the candidates of all processes and extra negatives.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from concord.functional.precision import full_precision


@full_precision
def info_nce(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0, valid: Tensor | None = None) -> Tensor:
    """Cross entropy of picking the right column in each row, [b] in nats; the loss is the mean over the rows.

    Args:
        logits: [b, M].
        targets: [b] int64, the column of each row's match.
        label_smoothing: share of the target's probability that is spread evenly over all valid columns, in [0, 1).
        valid: [M] bool, False at columns that no row may see; None where all may be seen. Matches must be valid.
    """
    if valid is None:
        return F.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")
    logits = logits.masked_fill(~valid, float("-inf"))
    losses = F.cross_entropy(logits, targets, reduction="none")
    if label_smoothing == 0:
        return losses
    # Where p is the match's column, the smoothed loss adds eps * (logit_p - mean of the valid logits) to the plain one.
    match = logits.gather(1, targets[:, None]).squeeze(1)
    mean = logits.masked_fill(~valid, 0.0).sum(dim=1) / valid.sum()
    return losses + label_smoothing * (match - mean)


def weighted(image_to_text: Tensor, text_to_image: Tensor, image_to_text_weight: float) -> Tensor:
    """The two directions as one loss: w * image_to_text + (1 - w) * text_to_image (ConVIRT, eq. 4; CLIP has w = 1/2)."""
    return image_to_text_weight * image_to_text + (1 - image_to_text_weight) * text_to_image


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Share of the rows [b, M] whose match scores above every other column, scalar without gradient. A tie is a miss."""
    logits = logits.detach()
    match = logits.gather(1, targets[:, None])
    rivals = logits.scatter(1, targets[:, None], float("-inf"))
    return (match.squeeze(1) > rivals.amax(dim=1)).float().mean()
