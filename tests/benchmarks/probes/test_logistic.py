"""Logistic regression: PyTorch against scikit-learn, both against the definition; and the search for C."""

from __future__ import annotations

import itertools
import math
import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from concord.benchmarks.probes import logistic
from concord.benchmarks.probes.logistic import Fitter
from concord.benchmarks.probes.sweep import GRID, best_c
from concord.errors import DataError, MissingExtraError
from tests.benchmarks.probes.probe_fakes import clouds

EXACT = {name: Fitter(name, tolerance=1e-9) for name in ("sklearn", "torch")}  # type: ignore[arg-type]


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("c", [1e-3, 0.316, 30.0])
def test_torch_finds_what_scikit_learn_finds(classes: int, c: float) -> None:
    x, y = clouds(150, classes)
    first, second = (EXACT[name].fit(x, y, classes, c) for name in ("sklearn", "torch"))
    np.testing.assert_allclose(second.weights, first.weights, atol=1e-4)
    np.testing.assert_allclose(second.bias, first.bias, atol=1e-4)
    assert (first.scores(x).argmax(dim=1) == second.scores(x).argmax(dim=1)).all()
    oracle = LogisticRegression(C=c, tol=1e-9, max_iter=1000).fit(x, y)
    assert (first.scores(x).argmax(dim=1).numpy() == oracle.predict(x)).all()
    probabilities = torch.softmax(first.scores(x), dim=1).numpy()
    np.testing.assert_allclose(probabilities, oracle.predict_proba(x), atol=1e-5)


@pytest.mark.parametrize("solver", ["sklearn", "torch"])
def test_single_precision_comes_close(solver: str) -> None:
    x, y = clouds(150)
    exact = EXACT["sklearn"].fit(x, y, 3, 1.0)
    single = Fitter(solver).fit(x.astype(np.float32), y, 3, 1.0)  # type: ignore[arg-type]
    assert single.weights.dtype == np.float32
    np.testing.assert_allclose(single.weights, exact.weights, atol=1e-2)


@pytest.mark.parametrize("tile", [1, 40, 2**26])
def test_the_gradient_is_that_of_the_loss_whatever_the_tiles(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "TILE", tile)
    x, y = (torch.from_numpy(part) for part in clouds(30))
    offset = torch.randn(30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    head = torch.randn(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss = torch.nn.functional.cross_entropy(x @ head[:, :-1].T + head[:, -1] + offset, y)
    loss = loss + head[:, :-1].square().sum() / (2 * 0.7 * 30)
    (gradient,) = torch.autograd.grad(loss, head)
    head = head.detach()
    head.grad = torch.zeros_like(head)
    assert logistic._objective(head, x, y, 3, 0.7, offset)() == pytest.approx(loss.item())
    torch.testing.assert_close(head.grad, gradient)


def test_several_classes_are_told_apart_one_by_one_without_what_is_unknown() -> None:
    x, _ = clouds(90)
    labels = (x[:, :3] + np.random.default_rng(0).normal(size=(90, 3)) > 0).astype(float)
    labels[::4, 1] = np.nan
    known = ~np.isnan(labels[:, 1])
    oracle = LogisticRegression(C=2.0, tol=1e-9, max_iter=1000).fit(x[known], labels[known, 1])
    for fitter in EXACT.values():
        head = fitter.fit(x, labels, 3, 2.0)
        np.testing.assert_allclose(head.weights[1], oracle.coef_[0], atol=1e-5)
        np.testing.assert_allclose(head.scores(x)[:, 1], oracle.decision_function(x), atol=1e-5)


def test_classes_that_were_not_seen_stand_last() -> None:
    x, y = clouds(60, 3)
    for fitter in EXACT.values():
        scores = fitter.fit(x, np.array([0, 2, 5])[y], 6, 1.0).scores(x)
        assert scores.isfinite().all()
        assert (scores[:, [1, 3, 4]] < scores[:, [0, 2, 5]].amin(dim=1, keepdim=True)).all()


def test_an_offset_is_where_the_fit_starts() -> None:
    x, y = clouds(60)
    prior = np.random.default_rng(3).normal(size=(60, 3))
    held = Fitter("torch").fit(x, y, 3, 1e-9, prior)
    assert np.abs(held.weights).max() < 1e-5
    with pytest.raises(ValueError, match="offset"):
        Fitter("sklearn").fit(x, y, 3, 1.0, prior)


@pytest.mark.parametrize("solver", ["sklearn", "torch"])
def test_features_that_say_nothing_leave_the_shares_of_the_classes(solver: str) -> None:
    labels = np.array([0] * 60 + [1] * 30 + [2] * 10)
    scores = Fitter(solver, tolerance=1e-9).fit(np.ones((100, 2)), labels, 3, 1.0).scores(np.ones((1, 2)))  # type: ignore[arg-type]
    np.testing.assert_allclose(scores.softmax(dim=1)[0], [0.6, 0.3, 0.1], atol=1e-5)


def test_a_fit_that_is_cut_short_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "ITERATIONS", 2)
    x, y = clouds(60)
    assert not any(fitter.fit(x, y, 3, 1e3).converged for fitter in EXACT.values())


def test_one_class_is_refused_and_so_is_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="at least 2 classes, got 1"):
        Fitter("torch").fit(np.ones((3, 2)), np.zeros(3, dtype=np.int64), 2, 1.0)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingExtraError, match=r"concord\[bench\]"):
        Fitter("sklearn").fit(*clouds(30), 3, 1.0)


def test_the_search_has_the_papers_values() -> None:
    assert len(GRID) == 97
    assert (GRID[0], GRID[48], GRID[-1]) == (1e-6, 1.0, 1e6)
    assert [b / a for a, b in itertools.pairwise(GRID)] == pytest.approx([10 ** (1 / 8)] * 96)


@pytest.mark.parametrize("peak", [-6.0, -5.9, -2.3, 0.0, 0.51, 3.3, 6.0])
def test_the_search_finds_a_single_peak(peak: float) -> None:
    tried: list[float] = []

    def scores(values: list[float]) -> list[float]:
        tried.extend(values)
        return [-abs(math.log10(c) - peak) for c in values]

    assert abs(math.log10(best_c(scores)) - peak) <= 1 / 16 + 1e-9  # type: ignore[arg-type]
    assert len(tried) == len(set(tried)) <= 15


def test_of_equals_the_one_that_holds_back_most_is_taken() -> None:
    assert best_c(lambda values: [0.5] * len(values)) == 1e-6
