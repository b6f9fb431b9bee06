"""Tokens of patches under other attentions, against their formulas with explicit matrices in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from concord.errors import IncompatibleError
from concord.models.image_tower import ImageTower
from concord.models.patches import patch_tokens

OPTIONS: dict[str, Any] = {"image_size": 16, "patch_size": 4, "width": 12, "depth": 2, "heads": 3}
HEADS, HEAD = 3, 4

PIXELS = torch.randint(0, 256, (2, 3, 8, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def tower(pooling: str = "class", **options: Any) -> ImageTower:
    torch.manual_seed(0)
    made = ImageTower("vit_tiny_patch16_224", pooling=pooling, **{**OPTIONS, **options}).eval()  # type: ignore[arg-type]
    for parameter in made.parameters():  # biases and norms that start as nothing would hide mistakes
        nn.init.normal_(parameter, std=0.3)
    return made.double()


def softmax(scores: Tensor) -> Tensor:
    weights = torch.exp(scores - scores.amax(dim=-1, keepdim=True))
    return weights / weights.sum(dim=-1, keepdim=True)


WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "vanilla": lambda q, k: softmax(q @ k.mT / HEAD**0.5),
    "value": lambda q, k: torch.eye(q.shape[-2], dtype=q.dtype).expand(*q.shape[:-1], -1),
    "self": lambda q, k: softmax(q @ q.mT / HEAD**0.5) + softmax(k @ k.mT / HEAD**0.5),
    "clear": lambda q, k: softmax(q @ q.mT / HEAD**0.5),
}


def norm(layer: nn.Module, x: Tensor) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias  # type: ignore[operator]


def expected_tokens(own: ImageTower, attention: str) -> Tensor:
    """The last block by hand, head by head."""
    trunk = own.trunk
    x = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(own.normalize(PIXELS))))
    x = trunk.blocks[0](x)
    block = trunk.blocks[1]
    qkv = norm(block.norm1, x) @ block.attn.qkv.weight.T + block.attn.qkv.bias
    heads = []
    for head in range(HEADS):
        q, k, v = (qkv[..., part * 12 + head * HEAD : part * 12 + (head + 1) * HEAD] for part in range(3))
        heads.append(WEIGHTS[attention](q, k) @ v)
    seen = torch.cat(heads, dim=-1) @ block.attn.proj.weight.T + block.attn.proj.bias
    if attention == "clear":
        x = seen
    else:
        x = x + seen
        hidden = F.gelu(norm(block.norm2, x) @ block.mlp.fc1.weight.T + block.mlp.fc1.bias)
        x = x + hidden @ block.mlp.fc2.weight.T + block.mlp.fc2.bias
    return norm(trunk.norm, x)[:, 1:]


@pytest.mark.parametrize("attention", WEIGHTS)
def test_attention_in_the_last_block(attention: str) -> None:
    own = tower()
    with torch.no_grad():
        found = patch_tokens(own, PIXELS, attention)  # type: ignore[arg-type]
        assert found.shape == (2, 8, 12)
        torch.testing.assert_close(found, expected_tokens(own, attention), rtol=1e-6, atol=1e-6)


def test_ways_differ_and_vanilla_is_the_tower() -> None:
    own = tower()
    with torch.no_grad():
        found = [patch_tokens(own, PIXELS, attention) for attention in WEIGHTS]  # type: ignore[arg-type]
        torch.testing.assert_close(found[0], own(PIXELS).tokens, rtol=0, atol=0)
    for first in range(4):
        for second in range(first):
            assert (found[first] - found[second]).abs().mean() > 0.01


def test_norms_and_scales_of_layers_are_kept() -> None:
    """A block that changes nothing else: with the attention of the tower itself the tokens are those of the tower."""
    own = tower("average", layer_scale=0.1, norm_after_pooling=True)
    block = own.trunk.blocks[-1]
    with torch.no_grad():
        last = own(PIXELS, last_block=lambda inside, x: inside(x)).tokens
        torch.testing.assert_close(last, own(PIXELS).tokens, rtol=0, atol=0)
        block.ls2.gamma.zero_()
        block.ls1.gamma.zero_()  # the block adds nothing, whatever patches look at
        torch.testing.assert_close(patch_tokens(own, PIXELS, "self"), own(PIXELS).tokens)
        assert patch_tokens(own, PIXELS, "clear").std(dim=1).max() < 1e-6


def test_an_attention_pooler_is_asked_about_one_patch_at_a_time() -> None:
    own = tower("attention", pool_heads=2)
    with torch.no_grad():
        found = patch_tokens(own, PIXELS)
        tokens, pooler = own(PIXELS).tokens, own.pooler
        assert pooler is not None
        values = tokens @ pooler.kv.weight[12:].T + pooler.kv.bias[12:]
        projected = values @ pooler.proj.weight.T + pooler.proj.bias
        torch.testing.assert_close(found, projected + pooler.mlp(norm(pooler.norm, projected)), rtol=1e-6, atol=1e-6)
        assert patch_tokens(own, PIXELS, "clear").shape == found.shape
        one = PIXELS[:, :, :4, :4]  # an image of one patch is that patch
        torch.testing.assert_close(patch_tokens(own, one)[:, 0], own(one).pooled, rtol=1e-6, atol=1e-6)


def test_a_convolutional_tower_shows_its_last_feature_map_and_nothing_else() -> None:
    own = ImageTower("resnet18", pooling="average").eval()
    pixels = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    assert patch_tokens(own, pixels).shape == (1, 6, 512)
    with pytest.raises(IncompatibleError, match=r"image\.name=resnet18 has no attention of patches to change"):
        patch_tokens(own, pixels, "self")


def test_towers_without_plain_blocks_or_tokens_are_refused() -> None:
    own = tower("cascade", pool_heads=2, caption_queries=5)
    with pytest.raises(IncompatibleError, match="5 tokens for 2 x 4 patches"):
        patch_tokens(own, PIXELS)
    parallel = ImageTower("vit_small_patch16_36x1_224", **OPTIONS).eval()
    parallel.trunk.blocks[-1] = nn.Identity()
    with pytest.raises(IncompatibleError, match="the last block of this image tower is a Identity; use attention=vanilla"):
        patch_tokens(parallel, PIXELS, "value")
    gated = tower()
    gated.trunk.blocks[-1].attn = nn.Identity()
    with pytest.raises(IncompatibleError, match="not timm's plain one"):
        patch_tokens(gated, PIXELS, "clear")
    with pytest.raises(ValueError, match="attention must be one of vanilla, value, self, clear, got 'csa'"):
        patch_tokens(own, PIXELS, "csa")  # type: ignore[arg-type]
