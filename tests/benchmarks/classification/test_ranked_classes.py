"""Average precision and AUROC of many classes at a time, against scikit-learn and the devkit's definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from concord.benchmarks.classification.ranked_classes import RankedClasses


def eleven_points(labels: np.ndarray, scores: np.ndarray) -> float:
    """As the devkit of VOC 2007 has it, for scores without ties."""
    truth = labels[np.argsort(-scores)]
    hits = np.cumsum(truth)
    precision, recall = hits / np.arange(1, len(truth) + 1), hits / truth.sum()
    return float(np.mean([max(precision[recall >= k / 10 - 1e-12], default=0) for k in range(11)]))


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 40))
def test_numbers_are_those_of_scikit_learn(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    n, classes = rng.integers(1, 50), rng.integers(1, 6)
    scores = rng.integers(0, levels, (n, classes)).astype(float)
    labels = rng.integers(0, 2, (n, classes)).astype(float)
    labels[rng.random((n, classes)) < 0.2] = np.nan
    weights = rng.integers(0, 3, n).astype(float)
    ranked = RankedClasses(scores, labels)
    precision, auroc, (positives, total) = ranked.average_precision(weights), ranked.auroc(weights), ranked.counts(weights)
    for c in range(classes):
        rows = ~np.isnan(labels[:, c]) & (weights > 0)
        truth, score, weight = labels[rows, c], scores[rows, c], weights[rows]
        assert (positives[c], total[c]) == (weight @ truth, weight.sum())
        if not truth.any():
            assert np.isnan(precision[c])
        else:
            assert precision[c] == pytest.approx(average_precision_score(truth, score, sample_weight=weight))
        if truth.min(initial=1) == truth.max(initial=0):
            assert np.isnan(auroc[c])
        elif truth.any() and not truth.all():
            assert auroc[c] == pytest.approx(roc_auc_score(truth, score, sample_weight=weight))


def test_worked_answers() -> None:
    ranked = RankedClasses(np.array([[0.9], [0.8], [0.7], [0.6]]), np.array([[1.0], [0], [1], [0]]))
    ones = np.ones(4)
    assert ranked.average_precision(ones)[0] == pytest.approx(0.8333, abs=5e-5)
    assert ranked.interpolated_precision(ones)[0] == pytest.approx(0.8485, abs=5e-5)
    assert ranked.auroc(ones)[0] == 0.75


def test_interpolated_precision_is_the_devkits() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        scores, labels = rng.normal(size=(40, 3)), (rng.random((40, 3)) < 0.3).astype(float)
        labels[0] = 1
        found = RankedClasses(scores, labels).interpolated_precision(np.ones(40))
        assert found == pytest.approx([eleven_points(labels[:, c], scores[:, c]) for c in range(3)])


def test_a_model_that_says_the_same_gets_the_share_of_positives() -> None:
    labels = np.array([[1.0], [0], [0], [1], [0]])
    scores = 0.3 * (1 + 1e-7 * np.array([[4.0], [0], [1], [3], [2]]))
    ranked = RankedClasses(scores, labels)
    ones = np.ones(5)
    assert ranked.average_precision(ones)[0] == 0.4
    assert ranked.interpolated_precision(ones)[0] == pytest.approx(0.4)
    assert ranked.auroc(ones)[0] == 0.5
    assert ranked.ties.tolist() == [2]


def test_an_oracle_is_perfect_whatever_the_sign() -> None:
    labels = (np.random.default_rng(0).random((30, 3)) < 0.4).astype(float)
    ranked = RankedClasses(labels - 5, labels)
    for found in (ranked.average_precision, ranked.interpolated_precision, ranked.auroc):
        np.testing.assert_array_equal(found(np.ones(30)), 1.0)
    assert ranked.ties.tolist() == [0, 0, 0]


def test_scores_that_are_not_numbers_give_none() -> None:
    scores, labels = np.zeros((4, 2)), np.array([[1.0, 1], [0, 0], [1, 1], [0, 0]])
    scores[1, 0] = np.nan
    found = RankedClasses(scores, labels, largest=1.0).auroc(np.ones(4))
    assert np.isnan(found[0])
    assert found[1] == 0.5
