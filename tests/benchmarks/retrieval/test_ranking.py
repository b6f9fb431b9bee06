"""Who wins: never by a tie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import top_k_accuracy_score
from torchmetrics.functional.classification import multiclass_accuracy

from concord.benchmarks.ranking import label_ranks, rivals

MATRIX = arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(2, 6)), elements=st.integers(-3, 3))


@given(MATRIX, st.integers(0, 10**6))
def test_ranks_count_ties_against_the_right_answer(scores: np.ndarray, seed: int) -> None:
    n, classes = scores.shape
    labels = np.random.default_rng(seed).integers(0, classes, n)
    expected = [1 + sum(row[c] >= row[label] for c in range(classes) if c != label) for row, label in zip(scores, labels, strict=True)]
    assert label_ranks(torch.from_numpy(scores).double(), torch.from_numpy(labels)).tolist() == expected


@pytest.mark.parametrize("k", [1, 3])
def test_without_ties_top_k_is_that_of_other_libraries(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(400, 10, generator=generator) - 20
    labels = torch.arange(400) % 10
    ours = (label_ranks(scores, labels) <= k).double().mean().item()
    assert ours == top_k_accuracy_score(labels, scores, k=k)
    assert ours == pytest.approx(multiclass_accuracy(scores, labels, num_classes=10, top_k=k, average="micro").item())


def test_scores_that_differ_by_rounding_are_ties() -> None:
    scores = torch.tensor([[0.3, 0.3 - 1e-7, 0.3 + 1e-7, 0.3 - 1e-5]])
    assert rivals(scores, scores[:, :1]).tolist() == [[True, True, True, False]]
    assert rivals(1e6 * scores, 1e6 * scores[:, :1]).tolist() == [[True, True, True, False]]


@pytest.mark.parametrize("broken", [float("nan"), float("-inf")])
def test_what_is_not_a_number_never_wins(broken: float) -> None:
    scores = torch.tensor([[broken, 1.0], [1.0, broken]])
    assert label_ranks(scores, torch.tensor([0, 1])).tolist() == [2, 2]
    assert label_ranks(torch.full((2, 3), broken), torch.tensor([0, 1])).tolist() == [3, 3]


def test_minus_infinity_is_a_score_that_can_be_beaten() -> None:
    scores = torch.tensor([[0.0, float("-inf"), -1.0]])
    assert label_ranks(scores, torch.tensor([0])).tolist() == [1]
