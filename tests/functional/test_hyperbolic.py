"""Lorentz geometry against closed forms and float64, where fp32 would cancel, and its gradients at the delicate points."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from concord.functional.hyperbolic import entailment, exp_map0, exterior_angle, half_aperture, pairwise_distance


def point(*tangent: float, curvature: float = 1.0) -> Tensor:
    return exp_map0(torch.tensor([tangent], dtype=torch.float64), curvature)


def textbook_distance(x: Tensor, y: Tensor, curvature: float) -> Tensor:
    """acosh(-k <x, y>) / sqrt(k), in float64."""
    x, y = x.double(), y.double()
    x0, y0 = ((1 / curvature + p.square().sum(dim=1)).sqrt() for p in (x, y))
    return torch.acosh((-curvature * (x @ y.T - x0[:, None] * y0)).clamp(min=1)) / curvature**0.5


def test_exponential_map() -> None:
    assert point(0.3, 0.4).norm().item() == pytest.approx(math.sinh(0.5), rel=1e-12)
    assert point(0.3, 0.4, curvature=4.0).norm().item() == pytest.approx(math.sinh(1.0) / 2, rel=1e-12)
    assert point(0.0, 0.0).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("curvature", [0.1, 1.0, 10.0])
def test_distance_to_the_root_is_the_length_of_the_tangent(curvature: float) -> None:
    tangents = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    root = torch.zeros(1, 4, dtype=torch.float64)
    distance = pairwise_distance(exp_map0(tangents, curvature), root, curvature)
    torch.testing.assert_close(distance.squeeze(1), tangents.norm(dim=1), rtol=1e-9, atol=0)


@settings(deadline=None, max_examples=40)
@given(scale=st.floats(0.02, 3), curvature=st.floats(0.1, 10), seed=st.integers(0, 99))
def test_distance_matches_the_textbook(scale: float, curvature: float, seed: int) -> None:
    x, y = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale / 8**0.5
    torch.testing.assert_close(pairwise_distance(x, y, curvature), textbook_distance(x, y, curvature), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("norm", [0.01, 0.1, 1.0, 3.0])
def test_distance_of_near_points_survives_float32(norm: float) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.nn.functional.normalize(torch.randn(20, 16, generator=generator), dim=1) * norm
    y = x + torch.randn(20, 16, generator=generator) * norm * 0.01
    exact = textbook_distance(x, y, 1.0).diagonal()
    ours = pairwise_distance(x, y, 1.0).diagonal().double()
    naive = torch.acosh((((1 + x.square().sum(1)) * (1 + y.square().sum(1))).sqrt() - (x * y).sum(1)).clamp(min=1)).double()
    error, naive_error = (((distance - exact) / exact).abs().max() for distance in (ours, naive))
    assert error < 1e-5
    assert naive_error > 10 * error


def test_gradient_is_finite_for_coincident_points_and_the_root() -> None:
    tangents = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    tangents[2] = 0
    tangents.requires_grad_()
    curvature = torch.tensor(1.0, requires_grad=True)
    points = exp_map0(tangents, curvature)
    total = pairwise_distance(points, points, curvature).sum() + entailment(points, points, curvature).sum()
    gradients = torch.autograd.grad(total, (tangents, curvature))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_gradients_are_numerically_right() -> None:
    x, y = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    inputs = x.requires_grad_(), y.requires_grad_(), torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, y, k: pairwise_distance(exp_map0(x, k), exp_map0(y, k), k), inputs)
    assert torch.autograd.gradcheck(exterior_angle, inputs)
    assert torch.autograd.gradcheck(lambda x, _, k: half_aperture(x, k), inputs)


def test_chunks_do_not_change_the_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    whole = pairwise_distance(x, y, 1.0)
    monkeypatch.setattr("concord.functional.hyperbolic._CHUNK", 2 * y.numel())
    torch.testing.assert_close(pairwise_distance(x, y, 1.0), whole, rtol=0, atol=0)


def test_known_angles() -> None:
    x, y = point(0.5, 0.0), point(0.0, 1.0)
    assert exterior_angle(x, y, 1.0).item() == pytest.approx(2.170851, abs=1e-6)
    assert half_aperture(x, 1.0).item() == pytest.approx(0.393915, abs=1e-6)
    assert entailment(x, y, 1.0).item() == pytest.approx(2.170851 - 0.393915, abs=2e-6)


@pytest.mark.parametrize("curvature", [0.5, 1.0, 4.0])
def test_angles_along_a_ray(curvature: float) -> None:
    near, far = point(0.3, 0.4, curvature=curvature), point(0.9, 1.2, curvature=curvature)
    assert exterior_angle(near, far, curvature).item() == pytest.approx(0, abs=2e-3)  # the cosine stops 1e-6 short of 1
    assert exterior_angle(far, near, curvature).item() == pytest.approx(math.pi, abs=2e-3)
    assert entailment(near, far, curvature).item() == 0


def test_cone_near_the_root_is_a_half_space() -> None:
    assert half_aperture(torch.tensor([[1e-4, 0.0], [0.0, 0.0]]), 1.0).tolist() == pytest.approx([math.pi / 2] * 2, abs=2e-3)
    assert half_aperture(torch.tensor([[4.0, 0.0]]), 1.0, min_radius=0.2).item() == pytest.approx(math.asin(0.1), rel=1e-6)


def test_huge_tangents_stay_finite() -> None:
    points = exp_map0(torch.tensor([[1e4, 0.0], [0.0, -1e4]]), 1.0)
    assert pairwise_distance(points, points, 1.0).isfinite().all()


def test_half_precision_is_raised() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        points = exp_map0(torch.randn(4, 8).bfloat16(), 1.0)
        assert points.dtype == pairwise_distance(points, points, 1.0).dtype == torch.float32
