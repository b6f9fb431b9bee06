"""The operations in which towers spend their time, each done the fastest way that computes the same function.

On CPU two defaults of PyTorch are slow: single-precision matrix products go to a library that leaves half of some
processors' speed unused, where oneDNN does not; and the fused attention has a slow bf16 backward pass. Everything here
falls back to PyTorch's own operators on other devices, in other precisions, and under compilation.

Dimensions: B sequences, L positions, H heads, d width of a head, D = H * d.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # type: ignore[no-untyped-call]
_SMALL_PRODUCT = 2**22  # multiplications below which the call of oneDNN costs more than it saves
_SHORT = 256  # keys up to which the whole matrix of attention weights is cheap to keep
_ELSEWHERE: ContextVar[bool] = ContextVar("elsewhere", default=False)


@contextmanager
def as_on_accelerator() -> Iterator[None]:
    """Inside, tensors on the CPU take the way of those on an accelerator: to plan, with shapes alone, a step for one that is not here."""
    token = _ELSEWHERE.set(True)
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


def on_cpu(tensor: Tensor) -> bool:
    """Whether what suits CPUs suits this tensor."""
    return tensor.device.type == "cpu" and not _ELSEWHERE.get()


class Linear(nn.Linear):
    """`nn.Linear` through `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x @ weight.T + bias, for x [..., I], weight [O, I], bias [O]."""
    if _suits_onednn(x, weight):
        return cast(Tensor, _OneDnnLinear.apply(x, weight, bias))  # type: ignore[no-untyped-call]
    return F.linear(x, weight, bias)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """Scaled dot-product attention, [B, H, L, d].

    Args:
        q, k, v: [B, H, L, d]; keys and values may have another length.
        mask: bool, broadcastable to [B, H, L, keys], True where a query may look; not together with `causal`.
        causal: whether position t sees keys 0..t only.
    """
    if on_cpu(q) and q.dtype == torch.bfloat16 and k.shape[-2] <= _SHORT:
        return _written_out_attention(q, k, v, _causal_mask(q, k) if causal else mask)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)


def self_attention(qkv: Tensor, heads: int, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """Attention of a sequence to itself: queries, keys, values [B, L, 3 * D] side by side -> [B, L, D]."""
    batch, length, _ = qkv.shape
    q, k, v = qkv.reshape(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    return attention(q, k, v, mask, causal).transpose(1, 2).flatten(2)


class _OneDnnLinear(torch.autograd.Function):
    """A linear layer whose three matrix products run in oneDNN."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = grad.flatten(0, -2)
        grad_x = _product(grad, weight.t()) if ctx.needs_input_grad[0] else None
        grad_weight = _product(rows.t(), x.flatten(0, -2).t()) if ctx.needs_input_grad[1] else None
        grad_bias = rows.sum(dim=0) if ctx.has_bias and ctx.needs_input_grad[2] else None
        return grad_x, grad_weight, grad_bias


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""))


def _suits_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        _ONEDNN
        and not torch.compiler.is_compiling()  # first, or the size becomes part of what was compiled
        and on_cpu(x)
        and x.dtype == weight.dtype == torch.float32
        and x.ndim > 1
        and x.numel() * weight.shape[0] >= _SMALL_PRODUCT
        and not torch.is_autocast_enabled("cpu")
    )


def _causal_mask(q: Tensor, k: Tensor) -> Tensor:
    return torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()


def _written_out_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax in single precision, products in that of the input."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype) @ v
