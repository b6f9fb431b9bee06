"""Places of right candidates against plain loops: ties, copies, hidden pairs, what is not a number, and any size of tiles."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from concord.benchmarks.retrieval import matching
from concord.benchmarks.retrieval.matching import Matches, match, match_both, match_rows
from concord.benchmarks.retrieval.places import Places
from concord.distributed import Ranks
from concord.types import Embeddings
from tests.processes import run_on_ranks

NAN = float("nan")
INFINITE = float("inf")


@dataclass
class Problem:
    """A table of scores and what is right in it."""

    scores: Tensor
    matches: Matches


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Whole numbers as scores, so that ties are plenty; every row and every column has a right partner."""
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    values = draw(st.lists(st.sampled_from([-3, -2, -1, 0, 1, NAN, -INFINITE]), min_size=rows * columns, max_size=rows * columns))
    kinds = np.array(draw(st.lists(st.sampled_from("rrwwwh"), min_size=rows * columns, max_size=rows * columns))).reshape(rows, columns)
    for row, column in itertools.product(range(rows), range(columns)):
        if not (kinds[row] == "r").any() or not (kinds[:, column] == "r").any():
            kinds[row, column] = "r"
    copies = [torch.tensor(draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))) for n in (rows, columns)]
    pairs, hidden = (torch.from_numpy(np.argwhere(kinds == kind)) for kind in "rh")
    return Problem(torch.tensor(values).reshape(rows, columns).float(), Matches(pairs, rows, columns, hidden, *copies))


def slow(scores: Tensor, matches: Matches) -> list[dict[str, object]]:
    """What `Places` says of each row, by the definitions."""
    copies = [1] * matches.columns if matches.column_copies is None else matches.column_copies.tolist()
    right = {tuple(pair) for pair in matches.pairs.tolist()}
    hidden = set() if matches.hidden is None else {tuple(pair) for pair in matches.hidden.tolist()}
    found = []
    for row in range(matches.rows):
        value = {c: float(scores[row, c]) for c in range(matches.columns) if (row, c) not in hidden}
        own = sorted((-INFINITE if np.isnan(value[c]) else value[c], copies[c]) for c in value if (row, c) in right)[::-1]
        wrong = [(value[c], copies[c]) for c in value if (row, c) not in right]
        places, before = [], 0
        for score, times in own:
            rivals = sum(many for other, many in wrong if not other < score)
            places += [rivals + before + i + 1 for i in range(times)]
            before += times
        best = own[0][0]
        found.append(
            {
                "rank": places,
                "pool": sum(copies[c] for c in value),
                "ahead": sum(many for other, many in wrong if not other <= best),
                "tied": sum(many for other, many in wrong if other == best),
                "level": sum(many for other, many in own if other == best),
            }
        )
    return found


def fast(places: Places) -> list[dict[str, object]]:
    return [
        {
            "rank": places.rank[places.query == row].tolist(),
            **{name: int(getattr(places, name)[row]) for name in ("pool", "ahead", "tied", "level")},
        }
        for row in range(len(places))
    ]


def at(scores: Tensor) -> matching.Score:
    return lambda rows, columns: scores[rows][:, columns]


@given(problems(), st.integers(1, 8), st.integers(1, 8), st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_both_directions_are_those_of_plain_loops_whatever_the_tiles(problem: Problem, rows: int, columns: int, block: int) -> None:
    before = problem.scores.clone()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "ROWS", rows)
        patch.setattr(matching, "COLUMNS", columns)
        patch.setattr(matching, "NEIGHBOURS", block)
        by_row, by_column = match_both(at(problem.scores), problem.matches, Ranks())
        alone = match_rows(at(problem.scores), problem.matches, Ranks())
        back = match_rows(at(problem.scores.T), problem.matches.transposed(), Ranks())
    assert fast(by_row) == fast(alone) == slow(problem.scores, problem.matches)
    assert fast(by_column) == fast(back) == slow(problem.scores.T, problem.matches.transposed())
    assert torch.equal(problem.scores.nan_to_num(9), before.nan_to_num(9))  # the scorer's own table is not written to


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_scores_of_any_type(dtype: torch.dtype) -> None:
    scores = torch.randn(9, 12, generator=torch.Generator().manual_seed(0)).to(dtype)
    pairs = torch.tensor([(row, row) for row in range(9)])
    places = match_rows(at(scores), Matches(pairs, 9, 12), Ranks())
    assert places.first.tolist() == [1 + int((scores[row] > scores[row, row]).sum()) for row in range(9)]


def test_whoever_comes_within_rounding_stands_before_the_right_one() -> None:
    scores = torch.tensor([[0.3, 0.3 - 1e-7, 0.3 + 1e-7, 0.3 - 1e-5, 0.3 + 1e-5]])
    places = match_rows(at(scores), Matches(torch.tensor([[0, 0]]), 1, 5), Ranks())
    assert fast(places) == [{"rank": [4], "pool": 5, "ahead": 1, "tied": 2, "level": 1}]


def test_the_width_of_a_tie_goes_by_the_largest_right_score() -> None:
    near = 1e-5 * (1 - 1e-4)
    scores = torch.tensor([[1e-5, near], [near, 1e-5]], dtype=torch.float64)
    pairs = torch.tensor([[0, 0], [1, 1]])
    assert match_rows(at(scores), Matches(pairs, 2, 2), Ranks()).tied.tolist() == [0, 0]
    with_large = torch.cat([scores, torch.tensor([[0.0, -40.0]], dtype=torch.float64)])
    pairs = torch.tensor([[0, 0], [1, 1], [2, 1]])
    assert match_rows(at(with_large), Matches(pairs, 3, 2), Ranks()).tied.tolist() == [1, 1, 0]


def test_of_equal_scores_the_worse_grade_stands_first() -> None:
    scores = torch.tensor([[1.0, 1.0, 2.0]])
    matches = Matches(torch.tensor([[0, 0], [0, 1], [0, 2]]), 1, 3, grades=torch.tensor([3.0, 1.0, 2.0]))
    grade = match_rows(at(scores), matches, Ranks()).grade
    assert grade is not None
    assert grade.tolist() == [2.0, 1.0, 3.0]


def test_more_copies_than_a_single_precision_number_counts() -> None:
    scores = torch.tensor([[0.0, 1.0, 2.0]])
    copies = torch.tensor([1, 2**24 + 1, 2**24 + 1])
    places = match_rows(at(scores), Matches(torch.tensor([[0, 0]]), 1, 3, column_copies=copies), Ranks())
    assert places.first.tolist() == [2**25 + 3]


def test_never_more_than_a_tile_of_scores_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("ROWS", 8), ("COLUMNS", 16), ("NEIGHBOURS", 4)):
        monkeypatch.setattr(matching, name, size)
    scores = torch.randn(50, 70, generator=torch.Generator().manual_seed(0))
    asked = []

    def score(rows: Tensor, columns: Tensor) -> Tensor:
        asked.append((len(rows), len(columns)))
        return scores[rows][:, columns]

    pairs = torch.tensor([(row, column) for row in range(50) for column in range(70) if (row + column) % 10 == 0])
    match_both(score, Matches(pairs, 50, 70), Ranks())
    assert max(rows for rows, _ in asked) <= 8
    assert max(columns for _, columns in asked) <= 16


class Vectors:
    """Inner products; counts how many scores were made."""

    def __init__(self, symmetric: bool) -> None:
        self.symmetric = symmetric
        self.scores = 0

    def score(self, images: Embeddings, texts: Embeddings, query: str = "image") -> Tensor:
        self.scores += len(images) * len(texts)
        return images.vectors @ texts.vectors.T


def test_a_symmetric_score_is_made_once_for_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "NEIGHBOURS", 1)
    generator = torch.Generator().manual_seed(0)
    images, texts = (Embeddings(torch.randn(count, 8, generator=generator, dtype=torch.float64)) for count in (40, 120))
    matches = Matches(torch.stack([torch.arange(120) // 3, torch.arange(120)], dim=1), 40, 120)
    once, twice = Vectors(True), Vectors(False)
    found = [match(scorer, images, texts, matches, Ranks()) for scorer in (once, twice)]  # type: ignore[arg-type]
    assert [fast(places) for places in found[0]] == [fast(places) for places in found[1]]
    assert once.scores == 40 * 120 + 120  # the table, and the right pairs before it
    assert twice.scores == 2 * (40 * 120 + 120)


def places_on_a_rank() -> tuple[Places, Places]:
    """A search that takes several tiles, on whatever processes there are."""
    matching.ROWS, matching.COLUMNS, matching.NEIGHBOURS = 16, 32, 8
    generator = torch.Generator().manual_seed(0)
    images, texts = torch.randn(70, 6, generator=generator), torch.randn(210, 6, generator=generator)
    pairs = torch.stack([torch.arange(210) // 3, torch.arange(210)], dim=1)
    return match_both(lambda image, text: images[image] @ texts[text].T, Matches(pairs, 70, 210), Ranks.current())


def test_any_number_of_processes_finds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROWS", "COLUMNS", "NEIGHBOURS"):
        monkeypatch.setattr(matching, name, getattr(matching, name))  # put back afterwards
    alone = [fast(places) for places in places_on_a_rank()]
    for found in run_on_ranks(places_on_a_rank, 2, tmp_path):
        assert [fast(places) for places in found] == alone
