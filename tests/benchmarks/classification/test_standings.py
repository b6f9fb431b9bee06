"""Where right classes stand, ties included, against loops and against what argmax would say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.benchmarks.classification import standings as module
from concord.benchmarks.classification.standings import Standings, group_counts, standings


def of(scores: list[list[float]], labels: list[int]) -> Standings:
    return standings(torch.tensor(scores), torch.tensor(labels))


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=1, max_size=8), st.randoms())
def test_counts_are_those_of_a_loop(table: list[list[int]], random: object) -> None:
    labels = [random.randrange(3) for _ in table]  # type: ignore[attr-defined]
    found = of([[float(score) for score in row] for row in table], labels)
    for n, (row, label) in enumerate(zip(table, labels, strict=True)):
        wrong = [score for c, score in enumerate(row) if c != label]
        assert found.better[n] == sum(score > row[label] for score in wrong)
        assert found.tied[n] == sum(score == row[label] for score in wrong)
        best = [c for c, score in enumerate(row) if score == max(row)]
        assert found.chosen[n] == (best[0] if len(best) == 1 else -1)
        orders = [[c for _, _, c in sorted((-row[c], draw[c], c) for c in range(3))] for draw in np.random.default_rng(0).random((400, 3))]
        for k in (1, 2):
            assert found.hits(k)[n] == (found.better[n] + found.tied[n] < k)
            assert found.expected(k)[n] == pytest.approx(np.mean([label in order[:k] for order in orders]), abs=0.12)
    assert found.shared.sum() == pytest.approx(len(table))
    assert np.trace(found.shared) == pytest.approx(found.expected().sum())
    assert (found.chosen == found.labels).tolist() == found.hits().tolist()
    assert found.ties == (found.tied > 0).sum()


def test_without_ties_argmax_says_the_same() -> None:
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(500, 20)))
    labels = torch.arange(500) % 20
    found = standings(scores, labels)
    assert found.chosen.tolist() == scores.argmax(dim=1).tolist()
    assert found.hits(5).tolist() == (scores.topk(5).indices == labels[:, None]).any(dim=1).tolist()
    assert found.ties == 0


def test_with_ties_argmax_flatters_the_lower_label() -> None:
    """Two classes of one name, as the two missiles of ImageNet."""
    scores, labels = torch.tensor([[0.5, 0.5, 0.1]] * 4), torch.tensor([0, 0, 1, 1])
    assert (scores.argmax(dim=1) == labels).double().mean() == 0.5
    found = standings(scores, labels)
    assert found.hits().mean() == 0
    assert found.expected().mean() == 0.5
    assert found.ties == 4


def test_scores_that_differ_by_rounding_tie() -> None:
    found = of([[0.3, 0.3 * (1 + 2e-7)], [-0.3, -0.3 * (1 + 2e-7)]], [1, 1])
    assert found.tied.tolist() == [1, 1]
    assert found.chosen.tolist() == [-1, -1]


@pytest.mark.parametrize("broken", [torch.nan, -torch.inf, torch.inf])
def test_scores_that_are_not_numbers_are_misses(broken: float) -> None:
    found = of([[broken] * 3, [0.1, broken, 0.2]], [0, 1])
    assert not found.hits(2).any()
    assert found.expected(2).tolist() == [0, 0]
    assert found.chosen[0] == -1


def test_the_confusion_leaves_ties_out() -> None:
    found = of([[1, 0, 0], [1, 1, 0], [0, 2, 1]], [0, 0, 2])
    assert found.confusion().tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert found.shared.tolist() == [[1.5, 0.5, 0], [0, 0, 0], [0, 1, 0]]


def test_tiles_do_not_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = torch.from_numpy(np.random.default_rng(0).integers(0, 5, (50, 7)).astype(float))
    labels = torch.arange(50) % 7
    groups = torch.eye(3)[torch.tensor([0, 0, 1, 1, 1, 2, 2])]
    whole, counts = standings(scores, labels), group_counts(scores, labels, groups)
    monkeypatch.setattr(module, "TILE", 20)
    cut = standings(scores, labels)
    for name in ("better", "tied", "chosen"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name))
    np.testing.assert_allclose(whole.shared, cut.shared)
    np.testing.assert_array_equal(np.array(group_counts(scores, labels, groups)), np.array(counts))
    np.testing.assert_array_equal(counts[0].sum(axis=1), whole.better)
    np.testing.assert_array_equal(counts[1].sum(axis=1), whole.tied)
