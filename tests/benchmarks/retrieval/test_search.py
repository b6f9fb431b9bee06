"""The best candidates, whatever the tiles, with ties in the order of the candidates; and the same from an index."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from concord.benchmarks import VectorIndex
from concord.benchmarks.retrieval import search
from concord.benchmarks.retrieval.matching import Score
from concord.benchmarks.retrieval.search import top_k
from concord.errors import MissingExtraError

TABLES = arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 9)), elements=st.integers(-2, 2))


def at(scores: Tensor) -> Score:
    return lambda rows, columns: scores[rows][:, columns]


@given(TABLES, st.integers(1, 10), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_the_best_are_those_of_a_stable_sort(table: np.ndarray, k: int, rows: int, columns: int) -> None:
    scores = torch.from_numpy(table).float()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "ROWS", rows)
        patch.setattr(search, "COLUMNS", columns)
        found = top_k(at(scores), *scores.shape, k)
    expected = np.argsort(-table, axis=1, kind="stable")[:, :k]
    assert found.places.tolist() == expected.tolist()
    assert found.scores.tolist() == np.take_along_axis(table, expected, axis=1).tolist()


def test_what_is_not_a_number_stands_last() -> None:
    scores = torch.tensor([[float("nan"), -5.0, float("nan"), -1.0]])
    assert top_k(at(scores), 1, 4, 3).places.tolist() == [[3, 1, 0]]


def test_at_least_one_is_asked_for() -> None:
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        top_k(at(torch.zeros(1, 1)), 1, 1, 0)


@pytest.fixture
def vectors() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(F.normalize(torch.randn(count, 16, generator=generator), dim=1) for count in (20, 3000))  # type: ignore[return-value]


def test_a_flat_index_finds_the_same(vectors: tuple[Tensor, Tensor]) -> None:
    queries, gallery = vectors
    exact = top_k(lambda row, column: queries[row] @ gallery[column].T, 20, 3000, 10)
    found = VectorIndex(gallery).search(queries, 10)
    assert found.places.tolist() == exact.places.tolist()
    assert torch.allclose(found.scores, exact.scores, atol=1e-6)


def test_an_index_of_cells_finds_most_and_with_all_cells_everything(vectors: tuple[Tensor, Tensor]) -> None:
    queries, gallery = vectors
    exact = VectorIndex(gallery).search(queries, 10).places

    def share(probes: int) -> float:
        found = VectorIndex(gallery, "ivf", cells=40, probes=probes).search(queries, 10).places
        return float(torch.stack([torch.isin(own, right).float().mean() for own, right in zip(found, exact, strict=True)]).mean())

    assert share(40) == 1.0
    assert 0.1 < share(2) < share(10) <= 1.0


def test_wrong_settings_of_an_index_are_refused(vectors: tuple[Tensor, Tensor]) -> None:
    queries, gallery = vectors
    for settings_of, message in (
        ({"kind": "tree"}, "kind must be flat or ivf, got 'tree'"),
        ({"kind": "ivf", "cells": 4000}, r"cells must lie in \[1, 3000\], got 4000"),
        ({"kind": "ivf", "probes": 0}, "probes must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            VectorIndex(gallery, **settings_of)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"queries must be \[Q, 16\]"):
        VectorIndex(gallery).search(queries[:, :3], 1)


def test_without_faiss_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, vectors: tuple[Tensor, Tensor]) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"concord\[faiss\]"):
        VectorIndex(vectors[1])
