"""Copying OpenCLIP's weights into our parts, to compare what they compute."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from concord.models import DualEncoder, ImageTower, TextTower


@torch.no_grad()
def copy_dual_encoder(source: Any, target: DualEncoder) -> None:
    """An OpenCLIP model with its own Vision Transformer -> a dual encoder of the same shapes."""
    copy_image_tower(source.visual, target.image)
    copy_text_tower(source, target.text)
    for parameter, projection in ((source.visual.proj, target.image_projection), (source.text_projection, target.text_projection)):
        assert isinstance(projection, nn.Linear)
        projection.weight.copy_(parameter.T)
    target.similarity.logit_scale.copy_(source.logit_scale)


@torch.no_grad()
def copy_image_tower(source: Any, target: ImageTower) -> None:
    trunk = target.trunk
    trunk.patch_embed.proj.weight.copy_(source.conv1.weight)
    trunk.cls_token.copy_(source.class_embedding[None, None])
    trunk.pos_embed.copy_(source.positional_embedding[None])
    trunk.norm_pre.load_state_dict(source.ln_pre.state_dict())
    trunk.norm.load_state_dict(source.ln_post.state_dict())
    for theirs, ours in zip(source.transformer.resblocks, trunk.blocks, strict=True):
        _copy_block(theirs, ours, ours.attn.qkv, ours.attn.proj, ours.mlp.fc1, ours.mlp.fc2)


@torch.no_grad()
def copy_text_tower(source: Any, target: TextTower) -> None:
    """Works for a CLIP and for the text half of a CoCa, whose class token is an embedding and the last position."""
    target.token_embedding.load_state_dict(source.token_embedding.state_dict())
    target.positional_embedding.copy_(source.positional_embedding[: target.context_length])
    if target.class_embedding is not None:
        target.class_embedding.copy_(source.cls_emb + source.positional_embedding[target.context_length])
    target.norm.load_state_dict(source.ln_final.state_dict())
    for theirs, ours in zip(source.transformer.resblocks, target.blocks, strict=True):
        _copy_block(theirs, ours, ours.attention.qkv, ours.attention.proj, ours.mlp[0], ours.mlp[2])


def _copy_block(theirs: Any, ours: Any, qkv: nn.Linear, proj: nn.Linear, first: nn.Linear, second: nn.Linear) -> None:
    ours.norm1.load_state_dict(theirs.ln_1.state_dict())
    ours.norm2.load_state_dict(theirs.ln_2.state_dict())
    qkv.weight.copy_(theirs.attn.in_proj_weight)
    qkv.bias.copy_(theirs.attn.in_proj_bias)
    proj.load_state_dict(theirs.attn.out_proj.state_dict())
    first.load_state_dict(theirs.mlp.c_fc.state_dict())
    second.load_state_dict(theirs.mlp.c_proj.state_dict())
