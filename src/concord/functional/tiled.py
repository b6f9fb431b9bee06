"""InfoNCE of inner products tile by tile: the [b, N] logits are never built, and come again in the backward pass.

The loss of a row with positive logit p is softplus(l - p), where l is the log-sum-exp of its negative logits. Only l needs
tiles; p is a sum over the width. Memory grows with b + N, not with b N (Inf-CL: Cheng et al. 2024).

Dimensions: b rows of this process, N columns of all processes, E width; row i matches column offset + i.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from concord.functional.contrastive import weighted
from concord.functional.precision import full_precision
from concord.functional.tiles import checked_tile, tiles_of_logits


@full_precision
def tiled_info_nce(
    queries: Tensor, keys: Tensor, scale: Tensor, offset: int, tile: int, label_smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """One direction of InfoNCE with logits scale * queries @ keys.T; equal to `info_nce` on them, with exact gradients.

    Args:
        queries: [b, E], the rows of this process.
        keys: [N, E], the candidates of all processes.
        scale: scalar.
        offset: column of the first row's match; b + offset <= N.
        tile: side of a tile, at least 1; it need not divide b or N.
        label_smoothing: share of the target's probability spread over the N columns.

    Returns:
        losses: [b] in nats, one per row.
        accuracy: share of the rows whose match scores above every other column, without gradient.
    """
    negatives, correct, _, _ = _NegativeLogSumExp.apply(queries, keys, scale, offset, checked_tile(tile), False)  # type: ignore[no-untyped-call]
    positives = scale * (queries * keys[offset : offset + len(queries)]).sum(dim=1)
    losses = _softplus(negatives - positives) + _smoothing(positives, queries, keys, scale, label_smoothing)
    return losses, correct.mean()


@full_precision
def tiled_bidirectional_info_nce(
    images: Tensor, texts: Tensor, scale: Tensor, tile: int, label_smoothing: float = 0.0, image_to_text_weight: float = 0.5
) -> tuple[Tensor, Tensor, Tensor]:
    """Both directions of InfoNCE for one process: each tile serves its rows and its columns.

    Args:
        images: [N, E]; image i matches text i.
        texts: [N, E].
        scale, tile, label_smoothing: as in `tiled_info_nce`.
        image_to_text_weight: w of the direction from image to text; the other has 1 - w.

    Returns:
        losses: [N] in nats, one per pair.
        image_to_text, text_to_image: accuracy of each direction, without gradient.
    """
    both = _NegativeLogSumExp.apply(images, texts, scale, 0, checked_tile(tile), True)  # type: ignore[no-untyped-call]
    image_negatives, image_correct, text_negatives, text_correct = both
    positives = scale * (images * texts).sum(dim=1)
    image_losses = _softplus(image_negatives - positives) + _smoothing(positives, images, texts, scale, label_smoothing)
    text_losses = _softplus(text_negatives - positives) + _smoothing(positives, texts, images, scale, label_smoothing)
    return weighted(image_losses, text_losses, image_to_text_weight), image_correct.mean(), text_correct.mean()


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)); PyTorch's own softplus gives up the logarithm above 20."""
    return -F.logsigmoid(-x)


def _smoothing(positives: Tensor, queries: Tensor, keys: Tensor, scale: Tensor, label_smoothing: float) -> Tensor | float:
    """What label smoothing adds to each row: eps * (p - mean logit). The mean logit of a row follows from the mean key."""
    if label_smoothing == 0:
        return 0.0
    return label_smoothing * (positives - scale * (queries @ keys.mean(dim=0)))


class _Lines:
    """Log-sum-exp and maximum of lines (rows or columns) that come tile by tile, kept stable by a running maximum."""

    def __init__(self, count: int, like: Tensor) -> None:
        # The lowest number and not -inf: a tile that holds nothing but masked logits must not give inf - inf.
        self.largest = like.new_full((count,), torch.finfo(like.dtype).min)
        self.total = like.new_zeros(count)

    def add(self, lines: slice, logits: Tensor, dim: int, scratch: Tensor) -> None:
        """Take in a tile whose `dim` runs along the lines; `scratch` is overwritten."""
        before = self.largest[lines]
        largest = torch.maximum(before, logits.amax(dim=dim))
        shifted = torch.sub(logits, largest.unsqueeze(dim), out=scratch).exp_()
        self.total[lines] = self.total[lines] * (before - largest).exp() + shifted.sum(dim=dim)
        self.largest[lines] = largest

    def log_sum_exp(self) -> Tensor:
        return self.largest + self.total.log()


class _NegativeLogSumExp(torch.autograd.Function):
    """Log-sum-exp of the negatives of each row and, for `both`, of each column; also whether the positive beats them all."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, scale: Tensor, offset: int, tile: int, both: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows, columns = _Lines(len(queries), queries), _Lines(len(keys) if both else 0, keys)
        positives = queries.new_empty(len(queries))
        for row, column, logits, scratch in tiles_of_logits(queries, keys, scale, tile):
            diagonal = logits.diagonal(row.start + offset - column.start)
            if diagonal.numel():
                positives[_matched(row, column, offset)] = diagonal
                diagonal.fill_(float("-inf"))
            rows.add(row, logits, 1, scratch)
            if both:
                columns.add(column, logits, 0, scratch)
        outputs = rows.log_sum_exp(), columns.log_sum_exp()
        correct = [(positives[: len(lines.largest)] > lines.largest).float() for lines in (rows, columns)]
        ctx.mark_non_differentiable(*correct)
        ctx.save_for_backward(queries, keys, scale, *outputs)
        ctx.offset, ctx.tile, ctx.both = offset, tile, both
        return outputs[0], correct[0], outputs[1], correct[1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_rows: Tensor, _: Any, grad_columns: Tensor, __: Any) -> tuple[Tensor | None, ...]:
        queries, keys, scale, row_sums, column_sums = ctx.saved_tensors
        grad_queries, grad_keys = torch.zeros_like(queries), torch.zeros_like(keys)
        for row, column, logits, scratch in tiles_of_logits(queries, keys, scale, ctx.tile):
            slope = torch.sub(logits, row_sums[row, None], out=scratch).exp_().mul_(grad_rows[row, None])
            if ctx.both:
                slope.addcmul_(logits.sub_(column_sums[column]).exp_(), grad_columns[column])
            slope.diagonal(row.start + ctx.offset - column.start).zero_()
            grad_queries[row].addmm_(slope, keys[column])
            if ctx.needs_input_grad[1]:
                grad_keys[column].addmm_(slope.T, queries[row])
        grad_scale = (grad_queries * queries).sum().view_as(scale)
        return grad_queries.mul_(scale), grad_keys.mul_(scale), grad_scale, None, None, None


def _matched(row: slice, column: slice, offset: int) -> slice:
    """The rows of a tile whose matches lie in its columns."""
    return slice(max(row.start, column.start - offset), min(row.stop, column.stop - offset))
