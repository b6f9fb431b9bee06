"""The normalised, temperature-scaled cross entropy of SimCLR (Chen et al. 2020, eq. 1).

Dimensions: b images on this rank, N images on all ranks, E width of the projection.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from concord.functional.precision import full_precision


@full_precision
def nt_xent(a: Tensor, b: Tensor, all_a: Tensor, all_b: Tensor, temperature: float, offset: int = 0) -> tuple[Tensor, Tensor]:
    """Two views of an image attract; all other views of all images repel.

    Each row has 2N - 1 columns: the other view of every image, its own among them, and the same view of every other image.
    Each image has two rows, one per view; the mean over ranks of the mean over their images is the loss of all N images.

    Args:
        a, b: [b, E] unit vectors, this rank's two views.
        all_a, all_b: [N, E] those of every rank, in rank order.
        temperature: divides the cosines.
        offset: column at which this rank's images begin.

    Returns:
        losses: [b] in nats, each image's mean over its two rows.
        accuracy: share of the rows whose nearest column is the other view, scalar without gradient.
    """
    targets = torch.arange(len(a), device=a.device) + offset
    logits_a = _logits(a, all_b, all_a, targets) / temperature
    logits_b = _logits(b, all_a, all_b, targets) / temperature
    losses = (F.cross_entropy(logits_a, targets, reduction="none") + F.cross_entropy(logits_b, targets, reduction="none")) / 2
    correct = torch.cat([logits_a.argmax(dim=1) == targets, logits_b.argmax(dim=1) == targets])
    return losses, correct.float().mean()


def _logits(rows: Tensor, other_view: Tensor, same_view: Tensor, own: Tensor) -> Tensor:
    """Cosines [b, 2N] of the rows with the other view of all images, then with the same view without themselves."""
    itself = own[:, None] == torch.arange(len(same_view), device=rows.device)
    return torch.cat([rows @ other_view.T, (rows @ same_view.T).masked_fill(itself, float("-inf"))], dim=1)
