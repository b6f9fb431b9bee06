"""The pairwise sigmoid loss against published numbers, closed forms and OpenCLIP; tiled and in blocks."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from concord.functional.sigmoid import pairwise_sigmoid, tiled_pairwise_sigmoid

S = torch.tensor([[0.9, 0.1, 0.2], [0.0, 0.8, 0.3], [0.4, 0.2, 0.7]], dtype=torch.float64)
DTYPES = {torch.float32: 1e-5, torch.float64: 1e-10}


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def unit(count: int, seed: int, dtype: torch.dtype) -> Tensor:
    return F.normalize(torch.randn(count, 6, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=1).requires_grad_()


def scalars(dtype: torch.dtype, scale: float = 10.0, bias: float = -10.0) -> tuple[Tensor, Tensor]:
    return torch.tensor(scale, dtype=dtype, requires_grad=True), torch.tensor(bias, dtype=dtype, requires_grad=True)


def assert_same(ours: Tensor, plain: Tensor, inputs: tuple[Tensor, ...], tolerance: float) -> None:
    """Values and gradients agree to `tolerance` of the largest entry; of several values, gradients of a sum with unequal weights."""
    weights = torch.linspace(1, 2, ours.numel(), dtype=ours.dtype).view_as(ours)
    gradients = [torch.autograd.grad(losses, inputs, weights) for losses in (ours, plain)]
    pairs = [(ours, plain), *zip(*gradients, strict=True)]
    for one, other in pairs:
        assert (one - other).abs().max() <= tolerance * other.abs().max().clamp(min=1)


@pytest.mark.parametrize(("scale", "bias", "expected"), [(10, -10, 2.16433461), (10, -2.71, 1.14423275), (1, 0, 1.97221089)])
def test_known_values(scale: float, bias: float, expected: float) -> None:
    assert (pairwise_sigmoid(scale * S + bias).mean()).item() == pytest.approx(expected, abs=1e-8)


def test_known_gradients() -> None:
    scale, bias = scalars(torch.float64)
    (pairwise_sigmoid(scale * S + bias).mean()).backward()
    assert scale.grad is not None
    assert bias.grad is not None
    assert scale.grad.item() == pytest.approx(-0.67599448, abs=1e-8)
    assert bias.grad.item() == pytest.approx(-0.85340221, abs=1e-8)


def test_closed_forms() -> None:
    orthonormal = pairwise_sigmoid(10 * torch.eye(4, dtype=torch.float64) - 10).mean()
    assert orthonormal.item() == pytest.approx(math.log(2) + 3 * softplus(-10), rel=1e-12)
    unrelated = pairwise_sigmoid(torch.full((4, 4), -10.0, dtype=torch.float64)).mean()
    assert unrelated.item() == pytest.approx(softplus(10) + 3 * softplus(-10), rel=1e-12)


def test_matches_plain_python() -> None:
    logits = (20 * S - 10).tolist()
    expected = [sum(softplus(-x if i == j else x) for j, x in enumerate(row)) for i, row in enumerate(logits)]
    assert pairwise_sigmoid(20 * S - 10).tolist() == pytest.approx(expected, rel=1e-12)


def test_blocks_add_up_to_the_whole() -> None:
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    upper = pairwise_sigmoid(logits[:3, :3]) + pairwise_sigmoid(logits[:3, 3:], offset=None)
    lower = pairwise_sigmoid(logits[3:, :3], offset=None) + pairwise_sigmoid(logits[3:, 3:])
    torch.testing.assert_close(torch.cat([upper, lower]), pairwise_sigmoid(logits), rtol=1e-12, atol=0)
    torch.testing.assert_close(lower, pairwise_sigmoid(logits[3:], offset=3), rtol=1e-12, atol=0)


def test_equals_openclip() -> None:
    loss = pytest.importorskip("open_clip.loss").SigLipLoss()
    images, texts = unit(9, 1, torch.float64), unit(9, 2, torch.float64)
    inputs = images, texts, *scalars(torch.float64)
    ours = pairwise_sigmoid(inputs[2] * images @ texts.T + inputs[3]).mean()
    assert_same(ours, loss(*inputs), inputs, 1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=40)
@given(
    images=st.integers(1, 9),
    extra=st.integers(0, 9),
    offset=st.one_of(st.none(), st.integers(0, 9)),
    tile=st.integers(1, 12),
    scale=st.sampled_from([1.0, 10.0, 100.0]),
)
def test_tiled_equals_plain(dtype: torch.dtype, images: int, extra: int, offset: int | None, tile: int, scale: float) -> None:
    offset = None if offset is None else min(offset, extra)
    inputs = unit(images, 3, dtype), unit(images + extra, 4, dtype), *scalars(dtype, scale)
    ours = tiled_pairwise_sigmoid(*inputs, tile, offset)
    plain = pairwise_sigmoid(inputs[2] * inputs[0] @ inputs[1].T + inputs[3], offset)
    assert_same(ours, plain, inputs, DTYPES[dtype])


def test_gradients_are_numerically_right() -> None:
    inputs = unit(4, 5, torch.float64), unit(5, 6, torch.float64), *scalars(torch.float64, 3.0, -1.0)
    assert torch.autograd.gradcheck(lambda *args: tiled_pairwise_sigmoid(*args, 2, 1), inputs)
    assert torch.autograd.gradcheck(lambda *args: tiled_pairwise_sigmoid(*args, 3, None), inputs)


def test_half_precision_stays_finite() -> None:
    images, texts = (unit(20, seed, torch.float32).detach().bfloat16().requires_grad_() for seed in (7, 8))
    scale, bias = scalars(torch.float32, 100.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = tiled_pairwise_sigmoid(images, texts, scale, bias, 8).sum()
    loss.backward()
    exact = pairwise_sigmoid(scale * images.float() @ texts.float().T + bias).sum()
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in (images, texts, scale, bias))


def test_refuses_an_empty_tile() -> None:
    with pytest.raises(ValueError, match="tile must be at least 1, got 0"):
        tiled_pairwise_sigmoid(torch.ones(2, 2), torch.ones(2, 2), torch.tensor(1.0), torch.tensor(0.0), tile=0)
