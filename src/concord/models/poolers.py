"""Attention poolers: from the tokens of a tower to one vector, or to a few.

Dimensions: B images, N tokens, Q queries, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from concord.models.transformer import CrossAttention


class AttentionPooler(nn.Module):
    """Learned queries look at the tokens once (CoCa, Yu et al. 2022): norms before, one multi-head attention, a norm after.

    Args:
        width: D of the output, a multiple of `heads`.
        queries: Q, at least 1; they start as N(0, 1).
        heads: attention heads.
        memory_width: width of the tokens looked at; None for D.
    """

    def __init__(self, width: int, queries: int, heads: int = 8, memory_width: int | None = None) -> None:
        super().__init__()
        if queries < 1:
            raise ValueError(f"queries must be at least 1, got {queries}")
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.norm_queries = nn.LayerNorm(width)
        self.norm_tokens = nn.LayerNorm(width if memory_width is None else memory_width)
        self.attention = CrossAttention(width, heads, memory_width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, N, memory_width] -> [B, Q, D]."""
        queries = self.norm_queries(self.queries).expand(tokens.shape[0], -1, -1)
        return self.norm(self.attention(queries, self.norm_tokens(tokens)))  # type: ignore[no-any-return]


class CascadePooler(nn.Module):
    """CoCa's cascade: a pooler for captions, and on its output a pooler with one query for the contrast.

    Args:
        width: D, a multiple of `heads`.
        queries: Q of the caption pooler (CoCa: 256).
        heads: attention heads of both.
    """

    def __init__(self, width: int, queries: int = 256, heads: int = 8) -> None:
        super().__init__()
        self.caption = AttentionPooler(width, queries, heads)
        self.contrast = AttentionPooler(width, 1, heads)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, D] -> pooled [B, D], caption tokens [B, Q, D]."""
        captions = self.caption(tokens)
        return self.contrast(captions)[:, 0], captions
