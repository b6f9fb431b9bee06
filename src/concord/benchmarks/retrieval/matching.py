"""Where the right candidates of each query stand among all candidates: exact, tile by tile, for one direction or for both.

The matrix of all scores never exists. First the scores of the right pairs are found, a small share of all. Then every tile of
scores is made once, and in it is counted how many candidates each right one beats; where the score is symmetric, the same tile
is counted along both of its sides. A right candidate wins only strictly: whoever comes within the width of a tie stands
before it.

The width of a tie is `TIE` times the largest score of a right pair in absolute value. It is one number for all queries and
known before the first tile, so that the counts do not depend on how the matrix is cut.

Dimensions: R rows, C columns, P right pairs of a row and a column; Q queries, K candidates (either way round), E bars: the
scores that a candidate has to stay below in order to be beaten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks.protocol import Scorer, Symmetric
from concord.benchmarks.ranking import TIE
from concord.benchmarks.retrieval.places import Places
from concord.distributed import Ranks
from concord.types import Embeddings

ROWS, COLUMNS = 512, 4096
"""Sides of a tile."""

NEIGHBOURS = 64
"""Rows whose right pairs are scored together. More save calls; but the share of scores that nobody asks for grows with it."""

Score = Callable[[Tensor, Tensor], Tensor]
"""From places of r rows and of c columns to the scores [r, c], in any floating type."""


@dataclass(frozen=True)
class Matches:
    """What is right.

    Attributes:
        pairs: [P, 2] int64, row and column that fit, each once, ordered by row. Where only one direction is searched, every
            row has at least one; else every column has, too.
        rows, columns: R and C.
        hidden: [H, 2] int64, row and column that are not compared at all, such as an image with itself; no right pairs.
        row_copies, column_copies: [R] and [C] int64, how many places a candidate takes; None for one each.
        grades: [P] how well each pair fits, where there is more than right and wrong.
    """

    pairs: Tensor
    rows: int
    columns: int
    hidden: Tensor | None = None
    row_copies: Tensor | None = None
    column_copies: Tensor | None = None
    grades: Tensor | None = None

    def transposed(self) -> Matches:
        """The same with the columns as queries, which are then the rows."""
        order = self.pairs[:, 1].argsort(stable=True)
        hidden = None if self.hidden is None else self.hidden.flip(1)
        grades = None if self.grades is None else self.grades[order]
        return Matches(self.pairs[order].flip(1), self.columns, self.rows, hidden, self.column_copies, self.row_copies, grades)

    def known(self) -> Tensor:
        """Pairs that no count of wrong candidates may hold, [P + H, 2] ordered by row."""
        if self.hidden is None:
            return self.pairs
        both = torch.cat([self.pairs, self.hidden])
        return both[both[:, 0].argsort(stable=True)]


def match_rows(score: Score, matches: Matches, ranks: Ranks) -> Places:
    """How each row ranks the columns. All processes call it with the same arguments and get the same answer."""
    right = _right_scores(score, matches, ranks)
    side = _Side.of(matches, right)
    beaten, _ = _count(score, matches, side, None, ranks)
    return side.places(beaten)


def match_both(score: Score, matches: Matches, ranks: Ranks) -> tuple[Places, Places]:
    """How each row ranks the columns and each column the rows, in one pass, for a score that does not care which side asks."""
    right = _right_scores(score, matches, ranks)
    rows = _Side.of(matches, right)
    columns = _Side.of(matches.transposed(), right[matches.pairs[:, 1].argsort(stable=True)])
    by_row, by_column = _count(score, matches, rows, columns, ranks)
    return rows.places(by_row), columns.places(by_column)


def match(scorer: Scorer, images: Embeddings, texts: Embeddings, matches: Matches, ranks: Ranks) -> tuple[Places, Places]:
    """How each image ranks the texts and each text the images; `matches` are pairs of an image and a text."""

    def score(image: Tensor, text: Tensor) -> Tensor:
        return scorer.score(images[image], texts[text])

    def score_back(text: Tensor, image: Tensor) -> Tensor:
        return scorer.score(images[image], texts[text], query="text").T

    if isinstance(scorer, Symmetric) and scorer.symmetric:
        return match_both(score, matches, ranks)
    return match_rows(score, matches, ranks), match_rows(score_back, matches.transposed(), ranks)


@dataclass(frozen=True)
class _Side:
    """One direction, ready to be counted.

    The bars of a query stand together: first the one that only those stay below who do not beat its best right candidate, nor
    tie with it; then, for each right candidate from the best to the worst, the one that those stay below whom it beats.

    Attributes:
        query, candidate, right, grade: [P] the right pairs, ordered by query and from the best to the worst.
        starts: [Q + 1] where the bars of each query begin.
        bars: [E] in double precision.
        copies: [K] places that each candidate takes.
        hidden: [Q] places that are not compared.
        width: that of a tie.
    """

    query: Tensor
    candidate: Tensor
    right: Tensor
    grade: Tensor | None
    starts: Tensor
    bars: Tensor
    copies: Tensor
    hidden: Tensor
    width: float

    @staticmethod
    def of(matches: Matches, right: Tensor) -> _Side:
        """The direction from rows to columns, given the scores [P] of the right pairs."""
        width = TIE * float(right[right.isfinite()].abs().max()) if right.isfinite().any() else 0.0
        order = _best_first(matches.pairs[:, 0], right, matches.grades)
        query, candidate = matches.pairs[order].T
        right = right[order]
        counts = torch.bincount(query, minlength=matches.rows)
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), (counts + 1).cumsum(0)])
        bars = torch.empty(int(starts[-1]), dtype=torch.float64)
        bars[torch.arange(len(query)) + query + 1] = right - width
        bars[starts[:-1]] = right[counts.cumsum(0) - counts] + width
        copies = torch.ones(matches.columns, dtype=torch.int64) if matches.column_copies is None else matches.column_copies
        hidden = torch.zeros(matches.rows, dtype=torch.int64)
        if matches.hidden is not None:
            hidden.index_add_(0, matches.hidden[:, 0], copies[matches.hidden[:, 1]])
        grade = None if matches.grades is None else matches.grades[order]
        return _Side(query, candidate, right, grade, starts, bars, copies, hidden, width)

    def part(self, start: int, end: int) -> slice:
        """The bars of some neighbouring queries."""
        return slice(int(self.starts[start]), int(self.starts[end]))

    def limits(self, start: int, end: int, dtype: torch.dtype) -> Tensor:
        """The bars of some neighbouring queries in the type of the scores, which have to be strictly smaller."""
        part = self.part(start, end)
        limits = self.bars[part].to(dtype)
        first = self.starts[start:end] - part.start
        limits[first] = limits[first].nextafter(torch.tensor(torch.inf, dtype=dtype))
        return limits

    def places(self, beaten: Tensor) -> Places:
        """The answer, from how many places stay below each bar; right and hidden ones are among them."""
        total = int(self.copies.sum())
        copies = self.copies[self.candidate]
        known = self.hidden.index_add(0, self.query, copies)
        ahead = total - beaten[self.starts[:-1]]
        own = torch.arange(len(self.query)) + self.query + 1
        # Nothing stays below minus infinity, not even what is right or hidden.
        bottomless = self.bars[own] == -torch.inf
        wrong = torch.where(bottomless, total - known[self.query], total - beaten[own])
        best = own - 1 == self.starts[self.query]
        level = torch.zeros_like(known).index_add(0, self.query, copies * (self.right >= self._best()[self.query] - self.width))
        return Places.of(self.query, wrong, copies, total - self.hidden, ahead, wrong[best] - ahead, level, self.grade)

    def _best(self) -> Tensor:
        """The score of the best right candidate of each query, [Q]."""
        return self.right[self.starts[:-1] - torch.arange(len(self.starts) - 1)]


def _best_first(query: Tensor, right: Tensor, grades: Tensor | None) -> Tensor:
    """The order of right pairs by query, then by score; of equal scores the worse grade stands first."""
    order = torch.arange(len(query)) if grades is None else grades.argsort(stable=True)
    order = order[right[order].argsort(descending=True, stable=True)]
    return order[query[order].argsort(stable=True)]


def _right_scores(score: Score, matches: Matches, ranks: Ranks) -> Tensor:
    """The scores of the right pairs, [P] in double precision; what is not a number is minus infinity."""
    row, column = matches.pairs.T.contiguous()
    starts = torch.arange(0, matches.rows, NEIGHBOURS)
    edges = torch.searchsorted(row, torch.cat([starts, torch.tensor([matches.rows])])).tolist()

    def work(edge: tuple[int, int]) -> Tensor:
        own = slice(*edge)
        rows, at_row = _distinct(row[own])
        found = torch.empty(len(at_row), dtype=torch.float64)
        columns, at_column = _distinct(column[own])
        for start in range(0, len(columns), COLUMNS):
            inside = (at_column >= start) & (at_column < start + COLUMNS)
            scores = score(rows, columns[start : start + COLUMNS]).cpu()
            found[inside] = scores[at_row[inside], at_column[inside] - start].double()
        return found

    jobs = [edge for edge in pairwise(edges) if edge[0] < edge[1]]
    return torch.cat(ranks.spread(jobs, work)).nan_to_num(-torch.inf, torch.inf, -torch.inf)


def _distinct(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct numbers in order, and where among them each number is."""
    distinct, places = np.unique(numbers.numpy(), return_inverse=True)
    return torch.from_numpy(distinct), torch.from_numpy(places)


def _count(score: Score, matches: Matches, by_row: _Side, by_column: _Side | None, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """How many places stay below each bar, of the rows and of the columns, [E] each; right and hidden pairs always do.

    The jobs are bands of rows. Counts of columns add up over the bands: whole numbers, so that the order does not matter.
    """
    known = matches.known()
    row_of = known[:, 0].contiguous()
    copies = max(int(side.copies.max()) for side in (by_row, by_column) if side is not None)
    exact = torch.float32 if copies * max(ROWS, COLUMNS) < 2**24 else torch.float64  # the type that holds the counts of a tile
    total = torch.zeros(0 if by_column is None else len(by_column.bars), dtype=torch.int64)

    def band(start: int) -> Tensor:
        end = min(start + ROWS, matches.rows)
        own = known[slice(*torch.searchsorted(row_of, torch.tensor([start, end])).tolist())]
        below = torch.zeros(int(by_row.starts[end] - by_row.starts[start]), dtype=torch.int64)
        flags = torch.empty(min(ROWS, matches.rows) * min(COLUMNS, matches.columns), dtype=exact)
        for left in range(0, matches.columns, COLUMNS):
            right = min(left + COLUMNS, matches.columns)
            tile = _tile(score(torch.arange(start, end), torch.arange(left, right)))
            row, column = own[(own[:, 1] >= left) & (own[:, 1] < right)].T
            tile[row - start, column - left] = -torch.inf
            below += _below(tile, flags, by_row, start, end, by_row.copies[left:right])
            if by_column is not None:
                total[by_column.part(left, right)] += _below(tile.T, flags, by_column, left, right, by_column.copies[start:end])
        return below

    rows = torch.cat(ranks.spread(range(0, matches.rows, ROWS), band))
    return rows, torch.stack(ranks.gather_objects(total)).sum(dim=0)


def _tile(scores: Tensor) -> Tensor:
    """A copy of a tile that may be written to, on the CPU, at least in single precision."""
    dtype = torch.float64 if scores.dtype == torch.float64 else torch.float32
    return torch.empty(scores.shape, dtype=dtype).copy_(scores)


def _below(tile: Tensor, flags: Tensor, side: _Side, start: int, end: int, copies: Tensor) -> Tensor:
    """How many places of a tile [q, k] stay below each bar of its queries, [e].

    Bars are taken in turn, the first of all queries, then the second, and so on. Comparing into floats and multiplying by the
    copies is several times as fast as adding up booleans.
    """
    first = side.starts[start : end + 1] - side.starts[start]
    counts, limits, weights = first.diff(), side.limits(start, end, tile.dtype), copies.to(flags.dtype)
    below = torch.empty(len(limits), dtype=flags.dtype)
    for turn in range(int(counts.max())):
        rows = (counts > turn).nonzero()[:, 0]
        part = tile if len(rows) == len(tile) else tile[rows]
        own = first[rows] + turn
        # The same order in memory as that of the part, which may be a transposed view.
        out = flags[: part.numel()].as_strided(part.size(), part.stride())
        below[own] = torch.lt(part, limits[own, None], out=out) @ weights
    return below.long()
