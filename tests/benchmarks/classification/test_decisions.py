"""F1, Matthews' coefficient, balanced accuracy and thresholds, against scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score, matthews_corrcoef

from concord.benchmarks.classification.decisions import (
    BINARY,
    best_threshold,
    binary_by_chance,
    class_mean_samples,
    f1_of,
    kappa_of,
    macro_f1,
    macro_f1_by_chance,
    matthews,
    matthews_of,
    outcomes,
    quadratic_kappa,
)
from concord.benchmarks.statistics import bootstrap, class_mean_of

RNG = np.random.default_rng(1)
ORACLES = {"f1": f1_score, "mcc": matthews_corrcoef, "balanced_accuracy": balanced_accuracy_score}


@pytest.mark.parametrize("classes", [2, 7])
def test_multi_class_numbers_are_those_of_scikit_learn(classes: int) -> None:
    labels, chosen = RNG.integers(0, classes, 90), RNG.integers(0, classes, 90)
    labels[labels == classes - 1] = 0  # a class that does not occur
    weights = RNG.integers(0, 3, 90).astype(float)
    expected = f1_score(labels, chosen, average="macro", labels=np.unique(labels), sample_weight=weights, zero_division=0)
    assert f1_of(labels, chosen, classes)(weights)[0] == pytest.approx(expected)
    assert matthews_of(labels, chosen, classes)(weights)[0] == pytest.approx(matthews_corrcoef(labels, chosen, sample_weight=weights))
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (labels, chosen), weights)
    assert macro_f1(confusion) == pytest.approx(expected)
    assert matthews(confusion) == pytest.approx(matthews_corrcoef(labels, chosen, sample_weight=weights))


@pytest.mark.parametrize("classes", [2, 5])
def test_quadratic_kappa_is_that_of_scikit_learn(classes: int) -> None:
    labels = RNG.integers(0, classes, 90)
    chosen = np.clip(labels + RNG.integers(-1, 2, 90), 0, classes - 1)
    weights = RNG.integers(0, 3, 90).astype(float)
    expected = cohen_kappa_score(labels, chosen, labels=np.arange(classes), weights="quadratic", sample_weight=weights)
    assert kappa_of(labels, chosen, classes)(weights)[0] == pytest.approx(expected)
    confusion = np.zeros((classes, classes))
    np.add.at(confusion, (labels, chosen), weights)
    assert quadratic_kappa(confusion) == pytest.approx(expected)
    assert kappa_of(labels, labels, classes)(np.ones(90))[0] == 1
    assert kappa_of(labels, np.full(90, 1), classes)(np.ones(90))[0] == pytest.approx(0)
    assert quadratic_kappa(np.diag([3.0, 0.0])) == 0, "one grade alone defines none"


def test_no_choice_counts_as_the_farthest_grade() -> None:
    labels, chosen = np.array([0, 1, 2, 3, 4, 4]), np.array([0, -1, 2, -1, -1, 4])
    farthest = np.array([0, 4, 2, 0, 0, 4])
    assert kappa_of(labels, chosen, 5)(np.ones(6))[0] == pytest.approx(cohen_kappa_score(labels, farthest, weights="quadratic"))
    near, far = np.array([0, 1, 1, 3, 4, 4]), np.array([4, 1, 2, 3, 4, 4])
    assert kappa_of(labels, near, 5)(np.ones(6))[0] > kappa_of(labels, far, 5)(np.ones(6))[0], "a far miss costs more than a near one"


def test_no_choice_counts_as_one_more_class() -> None:
    labels, chosen = np.array([0, 0, 1, 2, 2]), np.array([0, -1, 1, -1, 0])
    other = np.where(chosen < 0, 3, chosen)
    assert matthews_of(labels, chosen, 3)(np.ones(5))[0] == pytest.approx(matthews_corrcoef(labels, other))
    assert f1_of(labels, chosen, 3)(np.ones(5))[0] == pytest.approx(f1_score(labels, other, average="macro", labels=[0, 1, 2]))


def test_who_never_chooses_gets_nothing_and_who_is_right_everything() -> None:
    labels = np.array([0, 1, 2, 2])
    for statistic in (f1_of, matthews_of):
        assert statistic(labels, np.full(4, -1), 3)(np.ones(4))[0] == 0
        assert statistic(labels, labels, 3)(np.ones(4))[0] == 1
        assert statistic(labels, np.zeros(4, dtype=int), 3)(np.ones(4))[0] <= macro_f1_by_chance(labels, 3)


def test_macro_f1_of_a_guess() -> None:
    labels = np.repeat([0, 1, 2], [60_000, 30_000, 10_000])
    guess = RNG.integers(0, 4, len(labels))
    assert f1_of(labels, guess, 4)(np.ones(len(labels)))[0] == pytest.approx(macro_f1_by_chance(labels, 4), abs=3e-3)


@pytest.mark.parametrize("metric", BINARY)
def test_binary_numbers_are_those_of_scikit_learn(metric: str) -> None:
    labels = RNG.integers(0, 2, (60, 4)).astype(float)
    predicted = RNG.random((60, 4)) < 0.4
    labels[RNG.random((60, 4)) < 0.2] = np.nan
    weights = RNG.integers(0, 3, 60).astype(float)
    found = BINARY[metric](*outcomes(predicted, labels)(weights))
    for c in range(4):
        known = ~np.isnan(labels[:, c])
        assert found[c] == pytest.approx(ORACLES[metric](labels[known, c], predicted[known, c], sample_weight=weights[known]))


@pytest.mark.parametrize("metric", BINARY)
def test_the_threshold_is_the_best_of_all(metric: str) -> None:
    for _ in range(30):
        labels, scores = RNG.integers(0, 2, 25).astype(float), RNG.integers(-6, 6, 25).astype(float)
        labels[:2] = 0, 1
        threshold = best_threshold(scores, labels, metric, 6.0)
        cuts = [-np.inf, *(np.unique(scores) + 0.5)[:-1]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = [ORACLES[metric](labels, scores > cut) for cut in cuts]
        assert ORACLES[metric](labels, scores > threshold) == pytest.approx(max(values))
        assert threshold not in scores
    labels[5] = np.nan
    assert best_threshold(scores, labels, metric, 6.0) == best_threshold(np.delete(scores, 5), np.delete(labels, 5), metric, 6.0)


@pytest.mark.parametrize("metric", BINARY)
def test_where_all_scores_are_the_same_the_answer_is_always_yes(metric: str) -> None:
    labels = np.array([0.0, 1, 1, 0, 0])
    scores = 0.3 * (1 + 1e-7 * np.arange(5))
    assert best_threshold(scores, labels, metric, 0.3) == -np.inf
    always = BINARY[metric](*outcomes(np.ones((5, 1), dtype=bool), labels[:, None])(np.ones(5)))
    assert always == pytest.approx(binary_by_chance(metric, np.array([0.4])))


def test_class_means_are_resampled_as_by_drawing() -> None:
    labels = np.repeat([0, 1, 2], [5, 30, 200])
    hits = RNG.random(235) < 0.6
    fast = class_mean_samples(hits, labels, 4000, np.random.default_rng(0))
    drawn = bootstrap(class_mean_of(hits, labels), 235, 4000, np.random.default_rng(1), strata=labels)[:, 0]
    np.testing.assert_allclose(np.quantile(fast, [0.025, 0.5, 0.975]), np.quantile(drawn, [0.025, 0.5, 0.975]), atol=0.02)
    assert fast.std() == pytest.approx(drawn.std(), rel=0.05)
