"""Attention poolers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from concord.models.poolers import AttentionPooler, CascadePooler


def test_pooler_equals_torchs_multi_head_attention() -> None:
    torch.manual_seed(0)
    pooler = AttentionPooler(16, queries=3, heads=4)
    reference = nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(torch.cat([pooler.attention.q.weight, pooler.attention.kv.weight]))
        reference.in_proj_bias.copy_(torch.cat([pooler.attention.q.bias, pooler.attention.kv.bias]))
        reference.out_proj.load_state_dict(pooler.attention.proj.state_dict())
    tokens = torch.randn(2, 7, 16)
    keys = pooler.norm_tokens(tokens)
    expected, _ = reference(pooler.norm_queries(pooler.queries).expand(2, -1, -1), keys, keys)
    assert torch.allclose(pooler(tokens), pooler.norm(expected), atol=1e-5)


def test_pooler_does_not_care_about_the_order_of_tokens() -> None:
    torch.manual_seed(0)
    pooler, tokens = AttentionPooler(16, queries=3, heads=4), torch.randn(2, 7, 16)
    assert torch.allclose(pooler(tokens), pooler(tokens[:, torch.randperm(7)]), atol=1e-5)


def test_tokens_may_have_another_width() -> None:
    pooler = AttentionPooler(16, queries=3, heads=4, memory_width=10)
    assert pooler(torch.randn(2, 7, 10)).shape == (2, 3, 16)


def test_queries_start_as_standard_normals() -> None:
    torch.manual_seed(0)
    queries = AttentionPooler(64, queries=256).queries.detach()
    assert abs(float(queries.std()) - 1) < 0.02
    assert abs(float(queries.mean())) < 0.04


def test_cascade_pools_captions_and_then_their_contrast() -> None:
    torch.manual_seed(0)
    cascade, tokens = CascadePooler(16, queries=5, heads=4), torch.randn(2, 7, 16)
    pooled, captions = cascade(tokens)
    assert captions.shape == (2, 5, 16)
    assert torch.equal(captions, cascade.caption(tokens))
    assert torch.equal(pooled, cascade.contrast(captions)[:, 0])
    assert all(parameter.grad is not None for parameter in _backward(cascade, pooled))


def _backward(cascade: CascadePooler, pooled: torch.Tensor) -> list[nn.Parameter]:
    """The contrast alone trains both poolers: it reads the first one's output."""
    pooled.square().sum().backward()
    return list(cascade.parameters())


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="queries must be at least 1, got 0"):
        AttentionPooler(16, queries=0)
    with pytest.raises(ValueError, match="width must be a positive multiple of heads, got width=16, heads=3"):
        AttentionPooler(16, queries=2, heads=3)
