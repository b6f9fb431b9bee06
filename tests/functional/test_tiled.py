"""The tiled losses equal the plain ones, in value and gradient, for any shape and tile."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from concord.functional.contrastive import accuracy, info_nce, weighted
from concord.functional.tiled import tiled_bidirectional_info_nce, tiled_info_nce

DTYPES = {torch.float32: 1e-5, torch.float64: 1e-10}


def unit(count: int, width: int, seed: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, width, generator=generator, dtype=dtype), dim=1).requires_grad_()


def assert_same(ours: Tensor, plain: Tensor, inputs: tuple[Tensor, ...], tolerance: float) -> None:
    """Values and gradients agree to `tolerance` of the largest entry; of several values, gradients of a sum with unequal weights."""
    weights = torch.linspace(1, 2, ours.numel(), dtype=ours.dtype).view_as(ours)
    gradients = [torch.autograd.grad(losses, inputs, weights) for losses in (ours, plain)]
    pairs = [(ours, plain), *zip(*gradients, strict=True)]
    for one, other in pairs:
        assert (one - other).abs().max() <= tolerance * other.abs().max().clamp(min=1)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=40)
@given(
    local=st.integers(1, 9),
    ranks=st.integers(1, 3),
    rank=st.integers(0, 2),
    tile=st.integers(1, 12),
    scale=st.sampled_from([1.0, 14.3, 100.0]),
    smoothing=st.sampled_from([0.0, 0.1]),
)
def test_one_direction(dtype: torch.dtype, local: int, ranks: int, rank: int, tile: int, scale: float, smoothing: float) -> None:
    offset = (rank % ranks) * local
    queries, keys = unit(local, 6, 0, dtype), unit(local * ranks, 6, 1, dtype)
    factor = torch.tensor(scale, dtype=dtype, requires_grad=True)
    losses, correct = tiled_info_nce(queries, keys, factor, offset, tile, smoothing)
    logits, targets = factor * queries @ keys.T, offset + torch.arange(local)
    assert_same(losses, info_nce(logits, targets, smoothing), (queries, keys, factor), DTYPES[dtype])
    if dtype == torch.float64:  # in float32 two ways to round may settle a near tie differently
        assert correct == accuracy(logits, targets)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(deadline=None, max_examples=40)
@given(
    pairs=st.integers(1, 12),
    width=st.integers(1, 7),
    tile=st.integers(1, 15),
    scale=st.sampled_from([1.0, 14.3, 100.0]),
    smoothing=st.sampled_from([0.0, 0.1]),
    image_to_text_weight=st.sampled_from([0.0, 0.5, 0.75]),
)
def test_both_directions(
    dtype: torch.dtype, pairs: int, width: int, tile: int, scale: float, smoothing: float, image_to_text_weight: float
) -> None:
    images, texts = unit(pairs, width, 2, dtype), unit(pairs, width, 3, dtype)
    factor = torch.tensor(scale, dtype=dtype, requires_grad=True)
    losses, image_accuracy, text_accuracy = tiled_bidirectional_info_nce(images, texts, factor, tile, smoothing, image_to_text_weight)
    logits, targets = factor * images @ texts.T, torch.arange(pairs)
    plain = weighted(info_nce(logits, targets, smoothing), info_nce(logits.T, targets, smoothing), image_to_text_weight)
    assert_same(losses, plain, (images, texts, factor), DTYPES[dtype])
    if dtype == torch.float64 and width > 1:  # in one dimension all similarities are +1 or -1: nothing but ties
        assert image_accuracy == accuracy(logits, targets)
        assert text_accuracy == accuracy(logits.T, targets)


def test_gradients_are_numerically_right() -> None:
    inputs = unit(5, 3, 4, torch.float64), unit(5, 3, 5, torch.float64), torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *args: tiled_bidirectional_info_nce(*args, 2, 0.1, 0.75)[0], inputs)
    assert torch.autograd.gradcheck(lambda images, texts, scale: tiled_info_nce(images[:3], texts, scale, 2, 2, 0.1)[0], inputs)


def test_equals_openclip() -> None:
    loss = pytest.importorskip("open_clip.loss").ClipLoss()
    images, texts = unit(33, 8, 6, torch.float32), unit(33, 8, 7, torch.float32)
    scale = torch.tensor(14.3, requires_grad=True)
    ours = tiled_bidirectional_info_nce(images, texts, scale, tile=7)[0]
    assert_same(ours.mean(), loss(images, texts, scale), (images, texts, scale), 1e-5)


def test_stays_finite_where_exponentials_of_logits_overflow() -> None:
    """Logits of 100 lie beyond the exponent of float32; a converged loss keeps its relative accuracy."""
    images = F.normalize(torch.eye(6) + 0.2, dim=1).requires_grad_()
    scale = torch.tensor(100.0, requires_grad=True)
    loss = tiled_bidirectional_info_nce(images, images, scale, tile=4)[0].mean()
    (gradient,) = torch.autograd.grad(loss, images)
    cosine = (images[0] @ images[1]).item()
    assert loss.item() == pytest.approx(5 * math.exp(-100 * (1 - cosine)), rel=1e-3)
    assert 0 < loss.item() < 1e-20
    assert gradient.isfinite().all()
    images = torch.eye(6)
    against = tiled_bidirectional_info_nce(images, -images, scale, tile=4)[0].mean()
    assert against.item() == pytest.approx(100 + 1.609438, rel=1e-6)


def test_half_precision_accumulates_in_float32() -> None:
    images, texts = unit(40, 16, 8, torch.float32), unit(40, 16, 9, torch.float32)
    low = [tensor.detach().bfloat16().requires_grad_() for tensor in (images, texts)]
    scale = torch.tensor(100.0, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = tiled_bidirectional_info_nce(*low, scale, tile=16)[0].mean()
    loss.backward()
    exact = tiled_bidirectional_info_nce(*(tensor.detach().float() for tensor in low), scale, tile=16)[0].mean()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact.item(), rel=1e-6)
    assert all(tensor.grad is not None and tensor.grad.dtype == torch.bfloat16 and tensor.grad.isfinite().all() for tensor in low)


def test_frozen_keys_get_no_gradient() -> None:
    queries, keys = unit(4, 3, 10, torch.float64), unit(4, 3, 11, torch.float64).detach()
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    losses = tiled_bidirectional_info_nce(queries, keys, scale, tile=3)[0]
    logits = scale * queries @ keys.T
    plain = weighted(info_nce(logits, torch.arange(4)), info_nce(logits.T, torch.arange(4)), 0.5)
    assert_same(losses, plain, (queries, scale), 1e-10)


def test_collapsed_embeddings_are_never_right() -> None:
    images = torch.ones(6, 4) / 2
    losses, image_accuracy, text_accuracy = tiled_bidirectional_info_nce(images, images, torch.tensor(10.0), tile=3)
    assert losses.tolist() == pytest.approx([1.791759] * 6, rel=1e-6)  # ln 6
    assert image_accuracy == text_accuracy == 0


def test_refuses_an_empty_tile() -> None:
    with pytest.raises(ValueError, match="tile must be at least 1, got 0"):
        tiled_info_nce(torch.ones(2, 2), torch.ones(2, 2), torch.tensor(1.0), 0, tile=0)
