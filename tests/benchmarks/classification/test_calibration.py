"""Calibration errors, proper scores and the temperature, against worked answers, torchmetrics and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from concord.benchmarks.classification import calibration, standings
from concord.benchmarks.classification.calibration import adaptive_error, beliefs, fit_temperature, reliability


def drawn(scale: float, n: int = 4000, classes: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels that come out as often as a softmax of `scale` times them says."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, classes, generator=generator, dtype=torch.float64)
    return logits, torch.multinomial((scale * logits).softmax(dim=1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize(("bins", "expected"), [(2, 0.0), (5, 0.325), (10, 0.325)])
def test_the_error_depends_on_the_bins(bins: int, expected: float) -> None:
    found = reliability(np.array([0.95, 0.85, 0.65, 0.55]), np.array([True, True, False, True]), bins)
    assert found.error == pytest.approx(expected)
    assert found.counts.sum() == 4


def test_the_error_is_torchmetrics() -> None:
    logits, labels = drawn(0.4)
    said = beliefs(logits, labels, lambda scores: scores)
    right = (logits.argmax(dim=1) == labels).numpy()
    theirs = multiclass_calibration_error(logits.softmax(dim=1), labels, num_classes=6, n_bins=15, norm="l1")
    assert reliability(said.confidence, right).error == pytest.approx(float(theirs), abs=1e-6)


def test_bins_of_equal_mass() -> None:
    confidence, right = np.array([0.2, 0.3, 0.6, 0.9]), np.array([False, True, True, True])
    assert adaptive_error(confidence, right, 2) == pytest.approx((abs(1 - 0.5) + abs(2 - 1.5)) / 4)
    assert adaptive_error(confidence, right, 15) == pytest.approx((0.2 + 0.7 + 0.4 + 0.1) / 4)


def test_proper_scores() -> None:
    logits, labels = drawn(1.0, 300)
    said = beliefs(logits, labels, lambda scores: 2 * scores)
    probabilities = (2 * logits).softmax(dim=1).numpy()
    assert said.nll.mean() == pytest.approx(log_loss(labels.numpy(), probabilities, labels=range(6)))
    assert said.brier.mean() == pytest.approx(((probabilities - np.eye(6)[labels.numpy()]) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(said.confidence, probabilities.max(axis=1))
    cooler = beliefs(logits, labels, lambda scores: 2 * scores, temperature=4.0)
    np.testing.assert_allclose(cooler.confidence, (0.5 * logits).softmax(dim=1).amax(dim=1).numpy())


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_the_temperature_is_found(scale: float) -> None:
    logits, labels = drawn(scale, 20_000)
    temperature = fit_temperature(logits, labels, lambda scores: scores)
    assert 1 / temperature == pytest.approx(scale, rel=0.05)

    def loss(at: float) -> float:
        return float(beliefs(logits, labels, lambda scores: scores, at).nll.mean())

    assert loss(temperature) < min(loss(temperature * 1.05), loss(temperature / 1.05))
    before, after = (beliefs(logits, labels, lambda scores: scores, at) for at in (1.0, temperature))
    right = (logits.argmax(dim=1) == labels).numpy()
    assert reliability(after.confidence, right).error < 0.01 + reliability(before.confidence, right).error * 0.2


def test_logits_that_say_nothing_need_no_temperature() -> None:
    assert fit_temperature(torch.full((9, 3), 7.0), torch.arange(9) % 3, lambda scores: scores) == 1.0


def test_an_oracle_is_cooled_until_no_loss_is_left() -> None:
    labels = torch.arange(9) % 3
    temperature = fit_temperature(torch.eye(3)[labels], labels, lambda scores: scores)
    assert calibration.COLDEST <= temperature < 0.1
    assert beliefs(torch.eye(3)[labels], labels, lambda scores: scores, temperature).nll.max() == pytest.approx(0, abs=1e-12)


def test_pairs_are_judged_by_their_sigmoid() -> None:
    logits, labels = drawn(1.0, 200)
    said = beliefs(logits, labels, lambda scores: scores - 1, pairwise=True)
    probabilities = (logits - 1).sigmoid().numpy().ravel()
    right = np.eye(6, dtype=bool)[labels.numpy()].ravel()
    assert said.pairs is not None
    assert said.pairs.error == pytest.approx(reliability(probabilities, right).error)
    assert said.pairs.counts.sum() == 1200


def test_tiles_do_not_change_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, labels = drawn(1.0, 100)
    whole = beliefs(logits, labels, lambda scores: scores, pairwise=True)
    monkeypatch.setattr(calibration, "TILE", 40)
    cut = beliefs(logits, labels, lambda scores: scores, pairwise=True)
    np.testing.assert_allclose(whole.nll, cut.nll)
    np.testing.assert_allclose(whole.pairs.counts, cut.pairs.counts)  # type: ignore[union-attr]
    assert standings.TILE > 40
