"""InfoNCE over explicit logits (CLIP: Radford et al. 2021; ALIGN: Jia et al. 2021; ConVIRT: Zhang et al. 2020).

Dimensions: b rows of this process, M columns, which are the candidates of all processes and extra negatives.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from concord.functional.precision import full_precision


@full_precision
def info_nce(
    logits: Tensor, targets: Tensor, label_smoothing: float = 0.0, valid: Tensor | None = None, positives: Tensor | None = None
) -> Tensor:
    """Cross entropy of picking the right column in each row, [b] in nats; the loss is the mean over the rows.

    A row i with several positives P(i) aims at all of them alike, out of the columns V(i) that it may see (SupCon, Khosla et al.
    2020; between images and texts UniCL, Yang et al. 2022):

        log sum_{j in V(i)} exp(logit_ij) - 1 / |P(i)| sum_{j in P(i)} logit_ij

    Args:
        logits: [b, M].
        targets: [b] int64, the column of each row's match.
        label_smoothing: share of the target's probability that is spread evenly over all valid columns, in [0, 1).
        valid: [M] or [b, M] bool, False at columns that no row, or not this row, may see; None where all may be seen. Matches
            and positives must be valid.
        positives: [b, M] bool, columns beside the match that are as right as it; None where there are none.
    """
    if valid is None and positives is None:
        return F.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")
    match = logits.gather(1, targets[:, None]).squeeze(1)
    seen = torch.ones_like(logits, dtype=torch.bool) if valid is None else valid.expand_as(logits)
    losses = F.cross_entropy(logits.masked_fill(~seen, float("-inf")), targets, reduction="none")
    if positives is not None:
        # Written as what is added to the plain loss, so that it is nothing for rows without other positives.
        right = (match + _sum_where(positives, logits)) / (1 + positives.sum(dim=1))
        losses = losses + (1 - label_smoothing) * (match - right)
    if label_smoothing > 0:
        losses = losses + label_smoothing * (match - _sum_where(seen, logits) / seen.sum(dim=1))
    return losses


def _sum_where(chosen: Tensor, logits: Tensor) -> Tensor:
    return logits.masked_fill(~chosen, 0.0).sum(dim=1)


def weighted(image_to_text: Tensor, text_to_image: Tensor, image_to_text_weight: float) -> Tensor:
    """The two directions as one loss: w * image_to_text + (1 - w) * text_to_image (ConVIRT, eq. 4; CLIP has w = 1/2)."""
    return image_to_text_weight * image_to_text + (1 - image_to_text_weight) * text_to_image


def accuracy(logits: Tensor, targets: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Share of the rows [b, M] whose match scores above every other column, scalar without gradient. A tie is a miss.

    `hidden` [b, M] bool is True at columns that do not count; None where all do.
    """
    logits = logits.detach()
    match = logits.gather(1, targets[:, None])
    rivals = logits.scatter(1, targets[:, None], float("-inf"))
    if hidden is not None:
        rivals = rivals.masked_fill(hidden, float("-inf"))
    return (match.squeeze(1) > rivals.amax(dim=1)).float().mean()
