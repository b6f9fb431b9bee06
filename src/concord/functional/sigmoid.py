"""The pairwise sigmoid loss (SigLIP: Zhai et al. 2023): every cell of the image-text table is a yes/no question of its own.

A block is the table of some images against some texts. All functions give, for each image of a block, the sum over its
cells; the loss is that sum over all blocks, averaged over the images (not over the cells). A block that holds the pairs themselves has its
positives at column row + offset; a block of strangers has none (offset None). Kin (see `concord.functional.kin`) are positives
or ask nothing, in any block.

Dimensions: n images, m texts, E width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from concord.functional.kin import Kin
from concord.functional.precision import full_precision
from concord.functional.tiles import checked_tile, tiles_of_logits


@full_precision
def pairwise_sigmoid(logits: Tensor, offset: int | None = 0, kin: Kin | None = None) -> Tensor:
    """Sum of softplus(-z * logit) over each row, z = 1 at positives and -1 elsewhere (SigLIP, eq. 1 without 1/N); [n].

    Args:
        logits: [n, m], scale and bias included.
        offset: image i belongs to text offset + i; None where no image of the block belongs to any text of it.
        kin: further positives, z = 1, and masked cells, which are left out of the sum; None where there are none.
    """
    if offset is None and kin is None:
        return -F.logsigmoid(-logits).sum(dim=1)
    positives = torch.zeros_like(logits)
    if offset is not None:
        positives.diagonal(offset).fill_(1)
    if kin is None:
        return -F.logsigmoid((2 * positives - 1) * logits).sum(dim=1)
    further, masked = kin.table(offset)
    costs = -F.logsigmoid((2 * (positives + further) - 1) * logits)
    return costs.masked_fill(masked, 0.0).sum(dim=1)


@full_precision
def tiled_pairwise_sigmoid(
    images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, tile: int, offset: int | None = 0, kin: Kin | None = None
) -> Tensor:
    """`pairwise_sigmoid` of scale * images @ texts.T + bias, tile by tile and again in the backward pass.

    Args:
        images: [n, E].
        texts: [m, E].
        scale, bias: scalars.
        tile: side of a tile, at least 1; it need not divide n or m.
        offset, kin: as in `pairwise_sigmoid`.

    Returns:
        The sum over the cells of each image, [n]; gradients are exact for all four inputs.
    """
    totals: Tensor = _PairwiseSigmoid.apply(images, texts, scale, bias, checked_tile(tile), offset, kin)  # type: ignore[no-untyped-call]
    return totals


class _PairwiseSigmoid(torch.autograd.Function):
    """Sum over each row of softplus(-z (scale * images @ texts.T + bias))."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, tile: int, offset: int | None, kin: Kin | None
    ) -> Tensor:
        totals = images.new_zeros(len(images))
        for row, column, logits, scratch in tiles_of_logits(images, texts, scale, tile):
            kin_cells = kin.tile(row, column, offset) if kin is not None else None
            _flip_positives(logits.add_(bias), row, column, offset, kin_cells)
            # softplus(x) = max(x, 0) + log(1 + exp(-|x|)), in the memory that there is.
            soft = torch.abs(logits, out=scratch).neg_().exp_().log1p_().add_(logits.clamp_(min=0))
            if kin_cells is not None:
                soft.masked_fill_(kin_cells[1], 0.0)
            totals[row] += soft.sum(dim=1)
        ctx.save_for_backward(images, texts, scale, bias)
        ctx.tile, ctx.offset, ctx.kin = tile, offset, kin
        return totals

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        images, texts, scale, bias = ctx.saved_tensors
        grad_images, grad_texts, grad_bias = torch.zeros_like(images), torch.zeros_like(texts), torch.zeros_like(bias)
        for row, column, logits, _ in tiles_of_logits(images, texts, scale, ctx.tile):
            kin_cells = ctx.kin.tile(row, column, ctx.offset) if ctx.kin is not None else None
            _flip_positives(logits.add_(bias), row, column, ctx.offset, kin_cells)
            slope = logits.sigmoid_().mul_(grad[row, None])
            _flip_positives(slope, row, column, ctx.offset, kin_cells)
            if kin_cells is not None:
                slope.masked_fill_(kin_cells[1], 0.0)
            grad_bias += slope.sum()
            grad_images[row].addmm_(slope, texts[column])
            if ctx.needs_input_grad[1]:
                grad_texts[column].addmm_(slope.T, images[row])
        grad_scale = (grad_images * images).sum().view_as(scale)
        return grad_images.mul_(scale), grad_texts.mul_(scale), grad_scale, grad_bias, None, None, None


def _flip_positives(tile: Tensor, row: slice, column: slice, offset: int | None, kin_cells: tuple[Tensor, Tensor] | None) -> None:
    """Change the sign of the cells of a tile that are pairs, or positives beside them, in place."""
    if offset is not None:
        tile.diagonal(row.start + offset - column.start).neg_()
    if kin_cells is not None:
        tile.mul_(1 - 2 * kin_cells[0].to(tile.dtype))
