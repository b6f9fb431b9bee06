"""The fast operators against PyTorch's own, values and gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.models import operators
from concord.models.operators import Linear, attention, linear, self_attention


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert (actual - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1)


@pytest.mark.parametrize("shape", [(700, 64), (7, 100, 64)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_linear_equals_torch_in_value_and_gradients(shape: tuple[int, ...], with_bias: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape, requires_grad=True), torch.randn(128, 64, requires_grad=True), torch.randn(128, requires_grad=True)
    assert operators._suits_onednn(x, weight)
    inputs = [x, weight, bias] if with_bias else [x, weight]
    ours, theirs = linear(*inputs), F.linear(*inputs)
    assert_close(ours, theirs)
    direction = torch.randn_like(ours)
    for mine, expected in zip(torch.autograd.grad(ours, inputs, direction), torch.autograd.grad(theirs, inputs, direction), strict=True):
        assert_close(mine, expected, 1e-5)


def test_linear_skips_gradients_nobody_wants() -> None:
    layer = Linear(64, 128).requires_grad_(False)
    x = torch.randn(700, 64, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    assert_close(x.grad, layer.weight.sum(dim=0).expand(700, -1))  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_take_torchs_way(dtype: torch.dtype) -> None:
    x, weight = torch.randn(700, 64, dtype=dtype), torch.randn(128, 64, dtype=dtype)
    assert not operators._suits_onednn(x, weight)
    assert torch.equal(linear(x, weight), F.linear(x, weight))


def test_autocast_takes_torchs_way() -> None:
    x, weight = torch.randn(700, 64), torch.randn(128, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(x, weight).dtype == torch.bfloat16


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_equals_the_textbook(causal: bool, masked: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 6, 8) for _ in range(3))
    mask = torch.arange(6) < torch.tensor([4, 6])[:, None, None, None] if masked and not causal else None
    scores = q.double() @ k.double().transpose(-2, -1) / 8**0.5
    if causal:
        scores = scores.masked_fill(torch.ones(6, 6).triu(1).bool(), float("-inf"))
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    expected = scores.softmax(dim=-1) @ v.double()
    actual = attention(q.to(dtype), k.to(dtype), v.to(dtype), mask, causal)
    assert actual.dtype == dtype
    assert_close(actual.double(), expected, 1e-5 if dtype == torch.float32 else 3e-2)


def test_written_out_attention_has_the_gradients_of_the_fused_one() -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(2, 3, 6, 8, requires_grad=True) for _ in range(3)]
    mask = torch.arange(6) < torch.tensor([4, 6])[:, None, None, None]
    ours, theirs = operators._written_out_attention(*inputs, mask), F.scaled_dot_product_attention(*inputs, attn_mask=mask)
    direction = torch.randn_like(ours)
    for mine, expected in zip(torch.autograd.grad(ours, inputs, direction), torch.autograd.grad(theirs, inputs, direction), strict=True):
        assert_close(mine, expected)


def test_self_attention_reads_queries_keys_values_side_by_side() -> None:
    torch.manual_seed(0)
    layer = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    x = torch.randn(2, 5, 16)
    expected, _ = layer(x, x, x, need_weights=False)
    actual = layer.out_proj(self_attention(F.linear(x, layer.in_proj_weight, layer.in_proj_bias), heads=4))
    assert_close(actual, expected)
