"""Pairs of a batch that are no negatives of one another: what is said of one is said of the other, or both show one study.

Dimensions: b rows of this process, N columns of all processes, G relations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

Treatment = Literal["negatives", "masked", "positives"]
"""What pairs that are kin are to one another: "negatives" like all others, "masked" out of sight, or "positives"."""


def checked_treatment(name: str, treatment: Treatment) -> Treatment:
    """`treatment` itself; ValueError, naming the argument, unless it is one."""
    if treatment not in get_args(Treatment):
        raise ValueError(f"{name} must be one of {', '.join(get_args(Treatment))}, got {treatment!r}")
    return treatment


@dataclass(frozen=True)
class Kin:
    """Which columns are kin of a row: those that have its number in one of the relations.

    Attributes:
        rows: [b, G] int64.
        columns: [N, G] int64.
        treatments: of each relation, "masked" or "positives". Who is kin in two ways is a positive.
    """

    rows: Tensor
    columns: Tensor
    treatments: tuple[Treatment, ...]

    def tile(self, row: slice, column: slice, offset: int | None) -> tuple[Tensor, Tensor]:
        """Of some rows r and columns c, which cells are positives beside the row's own match, and which are masked; bool [r, c].

        Args:
            offset: column of the match of row 0, which is neither; None where no row has its match among the columns.
        """
        rows, columns = self.rows[row], self.columns[column]
        positive = torch.zeros(len(rows), len(columns), dtype=torch.bool, device=rows.device)
        masked = torch.zeros_like(positive)
        for place, treatment in enumerate(self.treatments):
            cells = positive if treatment == "positives" else masked
            cells |= rows[:, place, None] == columns[None, :, place]
        if offset is not None:
            start = (row.start or 0) + offset - (column.start or 0)
            positive.diagonal(start).fill_(False)
            masked.diagonal(start).fill_(False)
        return positive, masked & ~positive

    def table(self, offset: int | None) -> tuple[Tensor, Tensor]:
        """`tile` of all rows and columns, [b, N]."""
        return self.tile(slice(None), slice(None), offset)
