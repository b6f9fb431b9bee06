"""A compact pre-norm Transformer for token sequences, and the packing that spares it the padding.

Dimensions: B sequences, L positions, T rows of a packed batch, D width, H heads, S tokens of the other modality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from concord.models.operators import Linear, attention, self_attention

Activation = Literal["gelu", "quick_gelu", "gelu_tanh"]
"""Exact GELU; x * sigmoid(1.702 x), as OpenAI's CLIP has it; GELU approximated by tanh, as SigLIP 2 has it."""

_ROUNDING = 32  # packed rows come in multiples of this, so that few different matrix shapes occur


@dataclass(frozen=True)
class Packing:
    """Where the real tokens of a right-padded batch are, so that layers that look at one token at a time can skip the rest.

    Attributes:
        rows: [T] places of the real tokens in the flattened [B * L] batch, and then some place more than once, to round T up.
        count: how many of the rows are real.
        shape: (B, L).
    """

    rows: Tensor
    count: int
    shape: tuple[int, int]

    @staticmethod
    def of(mask: Tensor) -> Packing:
        """The packing of a mask [B, L], True at real tokens."""
        rows = mask.flatten().nonzero().squeeze(1)
        count = rows.shape[0]
        return Packing(torch.cat([rows, rows.new_zeros(-count % _ROUNDING)]), count, (mask.shape[0], mask.shape[1]))

    def pack(self, padded: Tensor) -> Tensor:
        """[B, L, D] -> [T, D]."""
        return padded.flatten(0, 1).index_select(0, self.rows)

    def unpack(self, packed: Tensor) -> Tensor:
        """[T, D] -> [B, L, D], zero at padding."""
        padded = packed.new_zeros(self.shape[0] * self.shape[1], packed.shape[1])
        return padded.index_copy(0, self.rows[: self.count], packed[: self.count]).view(*self.shape, -1)


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself.

    Args:
        width: D, a multiple of `heads`.
        heads: H.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.proj = Linear(width, width)

    def forward(self, x: Tensor, packing: Packing | None = None, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """x is [B, L, D], or [T, D] with its packing; mask as in `operators.attention`."""
        qkv = self.qkv(x)
        if packing is None:
            return self.proj(self_attention(qkv, self.heads, mask, causal))  # type: ignore[no-any-return]
        return self.proj(packing.pack(self_attention(packing.unpack(qkv), self.heads, mask, causal)))  # type: ignore[no-any-return]


class CrossAttention(nn.Module):
    """Multi-head attention of a sequence to the tokens of another.

    Args:
        width: D of the queries and of the output, a multiple of `heads`.
        heads: H.
        memory_width: width of the tokens looked at; None for D.
    """

    def __init__(self, width: int, heads: int, memory_width: int | None = None) -> None:
        super().__init__()
        check_heads(width, heads)
        self.heads = heads
        self.q = Linear(width, width)
        self.kv = Linear(width if memory_width is None else memory_width, 2 * width)
        self.proj = Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """x [B, L, D], memory [B, S, M], mask [B, S] True where one may look -> [B, L, D]."""
        batch, length, _ = x.shape
        q = self.q(x).view(batch, length, self.heads, -1).transpose(1, 2)
        k, v = self.kv(memory).view(batch, memory.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        seen = attention(q, k, v, None if mask is None else mask[:, None, None])
        return self.proj(seen.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), an approximation of GELU (Hendrycks and Gimpel 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class Mlp(nn.Sequential):
    """Two linear layers with an activation between them; the hidden layer is `ratio` times as wide."""

    def __init__(self, width: int, ratio: float = 4.0, activation: Activation = "gelu") -> None:
        hidden = round(width * ratio)
        super().__init__(Linear(width, hidden), make_activation(activation), Linear(hidden, width))


class Block(nn.Module):
    """Pre-norm block: x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, heads: int, mlp_ratio: float = 4.0, activation: Activation = "gelu", norm_eps: float = 1e-5) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, norm_eps)
        self.attention = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, norm_eps)
        self.mlp = Mlp(width, mlp_ratio, activation)

    def forward(self, x: Tensor, packing: Packing | None = None, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        x = x + self.attention(self.norm1(x), packing, mask, causal)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class CrossBlock(nn.Module):
    """Pre-norm block whose attention looks at the normalised tokens of another modality."""

    def __init__(self, width: int, heads: int, memory_width: int | None = None, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.norm_memory = nn.LayerNorm(width if memory_width is None else memory_width)
        self.attention = CrossAttention(width, heads, memory_width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp_ratio)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x), self.norm_memory(memory))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


def make_activation(name: Activation) -> nn.Module:
    """The layer of that name."""
    if name == "quick_gelu":
        return QuickGELU()
    if name in ("gelu", "gelu_tanh"):
        return nn.GELU("tanh" if name == "gelu_tanh" else "none")
    raise ValueError(f"activation must be gelu, quick_gelu or gelu_tanh, got {name!r}")


def initialize(blocks: nn.ModuleList, width: int, depth: int) -> None:
    """CLIP's initialisation: normal weights by width, the layers that write into the residual stream smaller by depth; zero biases."""
    writing = width**-0.5 * (2 * depth) ** -0.5
    deviations = {"qkv": width**-0.5, "q": width**-0.5, "kv": width**-0.5, "proj": writing, "0": (2 * width) ** -0.5, "2": writing}
    for name, module in blocks.named_modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=deviations[name.rpartition(".")[2]])
            nn.init.zeros_(module.bias)


def check_heads(width: int, heads: int) -> None:
    """Refuse a width that the heads cannot share evenly."""
    if heads < 1 or width < 1 or width % heads != 0:
        raise ValueError(f"width must be a positive multiple of heads, got width={width}, heads={heads}")
