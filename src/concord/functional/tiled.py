"""InfoNCE of inner products tile by tile: the [b, N] logits are never built, and come again in the backward pass.

The loss of a row whose match has the logit p is softplus(l - p), where l is the log-sum-exp of its other logits. Only l needs
tiles; p is a sum over the width. Memory grows with b + N, not with b N (Inf-CL: Cheng et al. 2024). With kin (see
`concord.functional.kin`) l leaves out what is masked, and p minus the mean logit of all positives is added.

Dimensions: b rows of this process, N columns of all processes, E width; row i matches column offset + i.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from concord.functional.contrastive import weighted
from concord.functional.kin import Kin
from concord.functional.precision import full_precision
from concord.functional.sums import Sums, sums_of_lines


@full_precision
def tiled_info_nce(
    queries: Tensor, keys: Tensor, scale: Tensor, offset: int, tile: int, label_smoothing: float = 0.0, kin: Kin | None = None
) -> tuple[Tensor, Tensor]:
    """One direction of InfoNCE with logits scale * queries @ keys.T; equal to `info_nce` on them, with exact gradients.

    Args:
        queries: [b, E], the rows of this process.
        keys: [N, E], the candidates of all processes.
        scale: scalar.
        offset: column of the first row's match; b + offset <= N.
        tile: side of a tile, at least 1; it need not divide b or N.
        label_smoothing: share of the target's probability spread over the N columns.
        kin: further positives and masked cells; None where there are none.

    Returns:
        losses: [b] in nats, one per row.
        accuracy: share of the rows whose match scores above every other column that is not kin, without gradient.
    """
    rows, _ = sums_of_lines(queries, keys, scale, offset, tile, False, kin)
    matches = scale * (queries * keys[offset : offset + len(queries)]).sum(dim=1)
    return _losses(rows, matches, queries, keys, scale, label_smoothing), rows.correct.mean()


@full_precision
def tiled_bidirectional_info_nce(
    images: Tensor,
    texts: Tensor,
    scale: Tensor,
    tile: int,
    label_smoothing: float = 0.0,
    image_to_text_weight: float = 0.5,
    kin: Kin | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Both directions of InfoNCE for one process: each tile serves its rows and its columns.

    Args:
        images: [N, E]; image i matches text i.
        texts: [N, E].
        scale, tile, label_smoothing, kin: as in `tiled_info_nce`; kin are so both ways.
        image_to_text_weight: w of the direction from image to text; the other has 1 - w.

    Returns:
        losses: [N] in nats, one per pair.
        image_to_text, text_to_image: accuracy of each direction, without gradient.
    """
    rows, columns = sums_of_lines(images, texts, scale, 0, tile, True, kin)
    matches = scale * (images * texts).sum(dim=1)
    image_losses = _losses(rows, matches, images, texts, scale, label_smoothing)
    text_losses = _losses(columns, matches, texts, images, scale, label_smoothing)
    return weighted(image_losses, text_losses, image_to_text_weight), rows.correct.mean(), columns.correct.mean()


def _losses(lines: Sums, matches: Tensor, queries: Tensor, keys: Tensor, scale: Tensor, label_smoothing: float) -> Tensor:
    """See `info_nce`, whose notation it is; the mean logit of a row follows from the sum of the keys."""
    losses = _softplus(lines.others - matches)
    if lines.kin is None or lines.counts is None:
        if label_smoothing > 0:
            losses = losses + label_smoothing * (matches - scale * (queries @ keys.mean(dim=0)))
        return losses
    right = (matches + lines.kin[0]) / (1 + lines.counts[0])
    losses = losses + (1 - label_smoothing) * (matches - right)
    if label_smoothing > 0:
        seen = scale * (queries @ keys.sum(dim=0)) - lines.kin[1]
        losses = losses + label_smoothing * (matches - seen / (len(keys) - lines.counts[1]))
    return losses


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)); PyTorch's own softplus gives up the logarithm above 20."""
    return -F.logsigmoid(-x)
