"""What an image tower says of each patch by itself.

The tokens of a tower that was trained with one vector per image say little of their own place: the last attention brings in the
whole picture. Published ways to read the patches change what they look at in the last block, without any training:

    vanilla: the tower as it was trained.
    value: each patch looks at itself alone (MaskCLIP, Zhou et al. 2022, https://arxiv.org/abs/2112.01071).
    self: the sum of the attentions of queries to queries and of keys to keys (SCLIP, Wang et al. 2024,
        https://arxiv.org/abs/2312.01597).
    clear: queries to queries, without what the block adds to them otherwise: neither the residual connection nor the MLP
        (ClearCLIP, Lan et al. 2024, https://arxiv.org/abs/2407.12442).

Dimensions: B images, N tokens (those of the patches and the class token), P patches, K heads, d width of a head, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import get_args

import torch.nn.functional as F
from timm.layers import Attention, AttentionPoolLatent  # type: ignore[attr-defined]
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from concord.errors import IncompatibleError
from concord.models.image_tower import ImageTower
from concord.types import PatchAttention


def patch_tokens(tower: ImageTower, images: Tensor, attention: PatchAttention = "vanilla") -> Tensor:
    """The patches as the projection of a dual encoder takes them, [B, P, D] in row-major order.

    A tower with an attention pooler (SigLIP) projects its output; of each patch it is asked what it makes of that patch alone,
    which is its value and output projection and its MLP. Of a convolutional tower these are the places of the last feature map.

    Args:
        tower: an image tower.
        images: [B, C, H, W], uint8 or normalised floats.
        attention: see the head of this module.

    Raises:
        IncompatibleError: a tower without one token per patch; an attention other than "vanilla" without plain timm blocks.
        ValueError: an unknown attention.
    """
    if attention not in get_args(PatchAttention):
        raise ValueError(f"attention must be one of {', '.join(get_args(PatchAttention))}, got {attention!r}")
    rows, columns = tower.grid_size(*images.shape[-2:])
    features = tower(images) if attention == "vanilla" else tower(images, last_block=_LAST[attention])
    tokens: Tensor = features.tokens
    if tokens.shape[1] != rows * columns:
        raise IncompatibleError(f"this image tower gives {tokens.shape[1]} tokens for {rows} x {columns} patches")
    pooler = getattr(tower, "pooler", None)
    return pooler(tokens.flatten(0, 1)[:, None]).unflatten(0, tokens.shape[:2]) if isinstance(pooler, AttentionPoolLatent) else tokens


def _attended(attention: nn.Module, x: Tensor, weigh: Callable[[Tensor, Tensor, float], Tensor] | None) -> Tensor:
    """[B, N, D] -> [B, N, D]: the values, weighted by what `weigh` makes of queries, keys [B, K, N, d] and the scale; None for
    the values as they are."""
    if not isinstance(attention, Attention) or attention.gate is not None:
        raise IncompatibleError("the attention of this image tower is not timm's plain one; use attention=vanilla")
    q, k, v = attention.qkv(x).unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    q, k = attention.q_norm(q), attention.k_norm(k)
    seen = v if weigh is None else weigh(q, k, attention.scale) @ v
    return attention.proj(attention.norm(seen.transpose(1, 2).flatten(2)))  # type: ignore[no-any-return]


def _alike(x: Tensor, scale: float) -> Tensor:
    """The attention of vectors [B, K, N, d] to one another, [B, K, N, N]."""
    return F.softmax(scale * x @ x.transpose(-2, -1), dim=-1)


def _inside(block: nn.Module) -> Block:
    if not isinstance(block, Block):
        raise IncompatibleError(f"the last block of this image tower is a {type(block).__name__}; use attention=vanilla")
    return block


def _whole(weigh: Callable[[Tensor, Tensor, float], Tensor] | None, block: nn.Module, x: Tensor) -> Tensor:
    inside = _inside(block)
    x = x + inside.ls1(_attended(inside.attn, inside.norm1(x), weigh))
    return x + inside.ls2(inside.mlp(inside.norm2(x)))  # type: ignore[no-any-return]


def _clear(block: nn.Module, x: Tensor) -> Tensor:
    inside = _inside(block)
    return inside.ls1(_attended(inside.attn, inside.norm1(x), lambda q, k, scale: _alike(q, scale)))  # type: ignore[no-any-return]


_LAST: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "value": partial(_whole, None),
    "self": partial(_whole, lambda q, k, scale: _alike(q, scale) + _alike(k, scale)),
    "clear": _clear,
}
