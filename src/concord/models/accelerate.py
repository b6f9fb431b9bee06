"""Faster forward and backward passes for timm's layers. Parameters, their names and the function computed stay the same."""

from __future__ import annotations

from timm.layers import Attention  # type: ignore[attr-defined]
from torch import Tensor, nn

from concord.models.operators import Linear, linear, self_attention


def accelerate(model: nn.Module) -> None:
    """Put the operators of `concord.models.operators` into a model made of timm's layers, in place."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
        elif type(module) is Attention and _is_plain(module):
            module.__class__ = PlainAttention
        elif type(module) is nn.Conv2d and _cuts_patches(module):
            module.__class__ = PatchConvolution


class PlainAttention(Attention):
    """timm's attention where it has neither dropout nor norms nor gates of its own."""

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        """x [B, N, D] -> [B, N, D]."""
        return self.proj(self_attention(self.qkv(x), self.num_heads, attn_mask, is_causal))  # type: ignore[no-any-return]


class PatchConvolution(nn.Conv2d):
    """A convolution whose patches do not overlap, as one matrix product."""

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, D, H / p, W / p], for H and W that are multiples of the patch."""
        high, wide = self.kernel_size
        batch, channels, height, width = input.shape
        cut = input.reshape(batch, channels, height // high, high, width // wide, wide)
        patches = cut.permute(0, 2, 4, 1, 3, 5).flatten(3)
        return linear(patches, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def _is_plain(attention: Attention) -> bool:
    parts = (attention.q_norm, attention.k_norm, attention.norm)
    undropped = attention.attn_drop.p == 0 and attention.proj_drop.p == 0
    return undropped and attention.gate is None and all(isinstance(part, nn.Identity) for part in parts)


def _cuts_patches(convolution: nn.Conv2d) -> bool:
    """Whether it is the first layer of a Vision Transformer: square kernel = stride, nothing padded, dilated or grouped."""
    return (
        convolution.kernel_size == convolution.stride
        and max(convolution.kernel_size) > 1
        and convolution.padding == (0, 0)
        and convolution.dilation == (1, 1)
        and convolution.groups == 1
    )
