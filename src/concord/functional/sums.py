"""What InfoNCE needs to know of the rows and columns of a table of logits, taken up tile by tile.

Dimensions: b rows, N columns, E width, n lines, which are rows or columns; row i matches column offset + i.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from concord.functional.kin import Kin
from concord.functional.tiles import checked_tile, tiles_of_logits


class Sums(NamedTuple):
    """What the tiles say of n lines.

    Attributes:
        others: log-sum-exp of the logits that a line sees beside its match, [n].
        correct: whether the match beats all that are not kin, [n].
        kin: sums of the logits of further positives, and of masked ones, [2, n]; None without kin.
        counts: how many these are, [2, n].
    """

    others: Tensor
    correct: Tensor
    kin: Tensor | None = None
    counts: Tensor | None = None


def sums_of_lines(queries: Tensor, keys: Tensor, scale: Tensor, offset: int, tile: int, both: bool, kin: Kin | None) -> tuple[Sums, Sums]:
    """Of the rows and, for `both`, of the columns."""
    outputs = _LogSumExp.apply(queries, keys, scale, offset, checked_tile(tile), both, kin)  # type: ignore[no-untyped-call]
    return Sums(*outputs[0::2]), Sums(*outputs[1::2])


class _Lines:
    """Log-sum-exp and maximum of lines (rows or columns) that come tile by tile, kept stable by a running maximum."""

    def __init__(self, count: int, like: Tensor, kin: Kin | None) -> None:
        # The lowest number and not -inf: a tile that holds nothing but masked logits must not give inf - inf.
        self.largest = like.new_full((count,), torch.finfo(like.dtype).min)
        self.rival = self.largest if kin is None else self.largest.clone()  # the largest of those that are not kin
        self.total = like.new_zeros(count)
        self.kin = None if kin is None else like.new_zeros(2, count)
        self.counts = None if kin is None else like.new_zeros(2, count)

    def add(self, lines: slice, logits: Tensor, dim: int, scratch: Tensor) -> None:
        """Take in a tile whose `dim` runs along the lines; `scratch` is overwritten."""
        before = self.largest[lines]
        largest = torch.maximum(before, logits.amax(dim=dim))
        shifted = torch.sub(logits, largest.unsqueeze(dim), out=scratch).exp_()
        self.total[lines] = self.total[lines] * (before - largest).exp() + shifted.sum(dim=dim)
        self.largest[lines] = largest

    def add_kin(self, lines: slice, logits: Tensor, cells: Tensor, dim: int) -> None:
        """Take in which cells of a tile are further positives and which are masked, bool [2, r, c], before they are hidden."""
        assert self.kin is not None
        assert self.counts is not None
        self.kin[:, lines] += torch.where(cells, logits, 0.0).sum(dim=1 + dim)
        self.counts[:, lines] += cells.sum(dim=1 + dim)
        rivals = logits.masked_fill(cells.any(dim=0), float("-inf"))
        self.rival[lines] = torch.maximum(self.rival[lines], rivals.amax(dim=dim))

    def log_sum_exp(self) -> Tensor:
        return self.largest + self.total.log()


class _LogSumExp(torch.autograd.Function):
    """What `Sums` holds of each row and, for `both`, of each column, in turn."""

    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, keys: Tensor, scale: Tensor, offset: int, tile: int, both: bool, kin: Kin | None
    ) -> tuple[Tensor | None, ...]:
        rows, columns = _Lines(len(queries), queries, kin), _Lines(len(keys) if both else 0, keys, kin)
        matches = queries.new_empty(len(queries))
        for row, column, logits, scratch in tiles_of_logits(queries, keys, scale, tile):
            diagonal = logits.diagonal(row.start + offset - column.start)
            if diagonal.numel():
                matches[_matched(row, column, offset)] = diagonal
                diagonal.fill_(float("-inf"))
            if kin is not None:
                cells = torch.stack(kin.tile(row, column, offset))
                rows.add_kin(row, logits, cells, 1)
                if both:
                    columns.add_kin(column, logits, cells, 0)
                logits.masked_fill_(cells[1], float("-inf"))
            rows.add(row, logits, 1, scratch)
            if both:
                columns.add(column, logits, 0, scratch)
        ctx.offset, ctx.tile, ctx.both, ctx.kin = offset, tile, both, kin
        return _LogSumExp._outputs(ctx, (queries, keys, scale), matches, rows, columns)

    @staticmethod
    def _outputs(ctx: Any, inputs: tuple[Tensor, ...], matches: Tensor, rows: _Lines, columns: _Lines) -> tuple[Tensor | None, ...]:
        sums = [lines.log_sum_exp() for lines in (rows, columns)]
        correct = [(matches[: len(lines.rival)] > lines.rival).float() for lines in (rows, columns)]
        ctx.save_for_backward(*inputs, *sums)
        if rows.kin is None:
            ctx.mark_non_differentiable(*correct)
            return *sums, *correct
        ctx.mark_non_differentiable(*correct, rows.counts, columns.counts)
        return *sums, *correct, rows.kin, columns.kin, rows.counts, columns.counts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_rows: Tensor, grad_columns: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, scale, row_sums, column_sums = ctx.saved_tensors
        grad_queries, grad_keys = torch.zeros_like(queries), torch.zeros_like(keys)
        for row, column, logits, scratch in tiles_of_logits(queries, keys, scale, ctx.tile):
            slope = torch.sub(logits, row_sums[row, None], out=scratch).exp_().mul_(grad_rows[row, None])
            if ctx.both:
                slope.addcmul_(logits.sub_(column_sums[column]).exp_(), grad_columns[column])
            if ctx.kin is not None:
                of_rows, of_columns = others[2][:, row], others[3][:, column] if ctx.both else None
                _add_slope_of_kin(slope, ctx.kin.tile(row, column, ctx.offset), of_rows, of_columns)
            slope.diagonal(row.start + ctx.offset - column.start).zero_()
            grad_queries[row].addmm_(slope, keys[column])
            if ctx.needs_input_grad[1]:
                grad_keys[column].addmm_(slope.T, queries[row])
        grad_scale = (grad_queries * queries).sum().view_as(scale)
        return grad_queries.mul_(scale), grad_keys.mul_(scale), grad_scale, None, None, None, None


def _add_slope_of_kin(slope: Tensor, cells: tuple[Tensor, Tensor], of_rows: Tensor, of_columns: Tensor | None) -> None:
    """To the slope of a tile that of the sums over further positives and over masked cells; `of_rows` [2, r], `of_columns` [2, c]."""
    slope.masked_fill_(cells[1], 0.0)
    for place, those in enumerate(cells):
        slope += those * of_rows[place, :, None]
        if of_columns is not None:
            slope += those * of_columns[place]


def _matched(row: slice, column: slice, offset: int) -> slice:
    """The rows of a tile whose matches lie in its columns."""
    return slice(max(row.start, column.start - offset), min(row.stop, column.stop - offset))
