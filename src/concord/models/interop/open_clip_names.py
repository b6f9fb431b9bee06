"""How OpenCLIP names the weights that we have: tables for `mapping`.

Their text tower lies in the model itself or under `text.`; here always the latter, see `under_text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from concord.models.interop.mapping import Rule, rule, under

TEXT = "text."
POSITIONS, CLASS = TEXT + "positional_embedding", TEXT + "cls_emb"
_TEXT_PARTS = ("positional_embedding", "token_embedding.", "transformer.", "ln_final.", "text_projection", "cls_emb")

Trunk = Literal["transformer", "resnet", "timm"]
"""How OpenCLIP builds the image tower: as its own Vision Transformer, as CLIP's ResNet, or by timm."""


@dataclass(frozen=True)
class Shape:
    """What decides how the weights are called.

    Attributes:
        trunk: see `Trunk`.
        pooling: of our image tower.
        projection, text_projection: of our dual encoder.
        classifier: where a timm model keeps the projection that is its own classifier: "head", "head.fc", or "" for none.
        separate_pooler: whether the "queries" pooler has another width than the image tokens.
    """

    trunk: Trunk
    pooling: str
    projection: str
    text_projection: str
    classifier: str = ""
    separate_pooler: bool = False


def rules(shape: Shape) -> list[Rule]:
    """The table for all weights of a dual encoder of this shape."""
    image = {"transformer": _transformer_rules, "resnet": _resnet_rules, "timm": _timm_rules}[shape.trunk](shape)
    return [*image, *_text_rules(shape), *_decoder_rules(), *_COMMON]


def under_text(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their weights with the text tower under `text.`, as newer versions write them."""
    return {TEXT + name if name.startswith(_TEXT_PARTS) else name: tensor for name, tensor in weights.items()}


def fold_class_position(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their class token of texts stands on the last position; ours has its position in it."""
    if CLASS not in weights or POSITIONS not in weights:
        return dict(weights)
    places = weights[POSITIONS]
    return {**weights, POSITIONS: places[:-1], CLASS: weights[CLASS] + places[-1]}


def unfold_class_position(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The way back: the last position is zero."""
    if CLASS not in weights:
        return dict(weights)
    places = weights[POSITIONS]
    return {**weights, POSITIONS: torch.cat([places, torch.zeros_like(places[:1])])}


_COMMON = [
    rule("similarity.logit_scale", "logit_scale", "reshaped"),
    rule("similarity.logit_bias", "logit_bias", "reshaped"),
    Rule(("image.mean",), (), "own"),
    Rule(("image.std",), (), "own"),
]

_BLOCK = [
    rule("norm1.**", "ln_1.**"),
    rule("norm2.**", "ln_2.**"),
    rule("attention.qkv.weight", "attn.in_proj_weight"),
    rule("attention.qkv.bias", "attn.in_proj_bias"),
    rule("attention.proj.**", "attn.out_proj.**"),
    rule("mlp.0.**", "mlp.c_fc.**"),
    rule("mlp.2.**", "mlp.c_proj.**"),
]

_CROSS_ATTENTION = [
    rule(("q.weight", "kv.weight"), "in_proj_weight"),
    rule(("q.bias", "kv.bias"), "in_proj_bias"),
    rule("proj.**", "out_proj.**"),
]

_SEPARATE_ATTENTION = [
    rule("q.weight", "q_proj_weight"),
    rule("kv.weight", ("k_proj_weight", "v_proj_weight")),
    *_CROSS_ATTENTION[1:],
]

_TIMM_BLOCK = [
    rule("norm1.**", "ln_1.**"),
    rule("norm2.**", "ln_2.**"),
    rule("attn.qkv.weight", "attn.in_proj_weight"),
    rule("attn.qkv.bias", "attn.in_proj_bias"),
    rule("attn.proj.**", "attn.out_proj.**"),
    rule("mlp.fc1.**", "mlp.c_fc.**"),
    rule("mlp.fc2.**", "mlp.c_proj.**"),
    rule("ls1.gamma", "ls_1.gamma"),
    rule("ls2.gamma", "ls_2.gamma"),
]


def _text_rules(shape: Shape) -> list[Rule]:
    whole = shape.text_projection == "linear"
    projection = (
        rule("text_projection.weight", TEXT + "text_projection", "transposed")
        if whole
        else rule("text_projection.**", TEXT + "text_projection.**")
    )
    return [
        rule("text.token_embedding.weight", TEXT + "token_embedding.weight"),
        rule("text.positional_embedding", TEXT + "positional_embedding"),
        rule("text.class_embedding", TEXT + "cls_emb"),
        rule("text.norm.**", TEXT + "ln_final.**"),
        *under("text.blocks.*.", TEXT + "transformer.resblocks.*.", _BLOCK),
        projection,
    ]


def _decoder_rules() -> list[Rule]:
    cross = [*(r for r in _BLOCK if "attention.qkv" not in r.ours[0] and "attention.proj" not in r.ours[0])]
    cross += [rule("norm_memory.**", "ln_1_kv.**"), *under("attention.", "attn.", _CROSS_ATTENTION)]
    return [
        *under("decoder.blocks.*.", "text_decoder.resblocks.*.", _BLOCK),
        *under("decoder.cross_blocks.*.", "text_decoder.cross_attn.*.", cross),
        rule("decoder.norm.**", "text_decoder.ln_final.**"),
        rule("decoder.output.weight", "text_decoder.text_projection", "transposed"),
    ]


def _transformer_rules(shape: Shape) -> list[Rule]:
    final_norm = {"queries": "image.pooler.norm.**"}.get(shape.pooling, "image.trunk.norm.**")
    attention = _SEPARATE_ATTENTION if shape.separate_pooler else _CROSS_ATTENTION
    return [
        rule("image.trunk.cls_token", "visual.class_embedding", "reshaped"),
        rule("image.trunk.pos_embed", "visual.positional_embedding", "reshaped"),
        rule("image.trunk.patch_embed.proj.weight", "visual.conv1.weight"),
        Rule(("image.trunk.patch_embed.proj.bias",), (), "zero"),
        rule("image.trunk.norm_pre.**", "visual.ln_pre.**"),
        *under("image.trunk.blocks.*.", "visual.transformer.resblocks.*.", _TIMM_BLOCK),
        rule("image.trunk.fc_norm.**", "visual.ln_post.**"),
        rule(final_norm, "visual.ln_post.**"),
        rule("image.pooler.queries", "visual.attn_pool.query"),
        rule("image.pooler.norm_queries.**", "visual.attn_pool.ln_q.**"),
        rule("image.pooler.norm_tokens.**", "visual.attn_pool.ln_k.**"),
        *under("image.pooler.attention.", "visual.attn_pool.attn.", attention),
        rule("image_projection.weight", "visual.proj", "transposed"),
    ]


def _resnet_rules(shape: Shape) -> list[Rule]:
    convolutions = [
        (f"{ours}.{kind}.**", f"{theirs}{number}.**")
        for number, ours in enumerate(("conv1_1x1", "conv2_kxk", "conv3_1x1"), start=1)
        for kind, theirs in (("conv", "conv"), ("bn", "bn"))
    ]
    block = [rule(ours, theirs) for ours, theirs in convolutions]
    block += [rule("shortcut.conv.conv.**", "downsample.0.**"), rule("shortcut.conv.bn.**", "downsample.1.**")]
    table = [rule(f"image.trunk.stem.conv{n}.{kind}.**", f"visual.{kind}{n}.**") for n in (1, 2, 3) for kind in ("conv", "bn")]
    for stage in range(4):
        table += under(f"image.trunk.stages.{stage}.*.", f"visual.layer{stage + 1}.*.", block)
    table += [rule(f"image.trunk.head.{part}.**", f"visual.attnpool.{part}_proj.**") for part in ("q", "k", "v")]
    return [
        *table,
        rule("image.trunk.head.pos_embed", "visual.attnpool.positional_embedding"),
        rule("image_projection.**", "visual.attnpool.c_proj.**"),
    ]


def _timm_rules(shape: Shape) -> list[Rule]:
    projections = {
        "linear": [rule("image_projection.weight", "visual.head.proj.weight")],
        "affine": [rule("image_projection.**", "visual.head.proj.**")],
        "gelu_mlp": [
            rule("image_projection.0.**", "visual.head.mlp.fc1.**"),
            rule("image_projection.2.weight", "visual.head.mlp.fc2.weight"),
        ],
        "none": [],
    }
    own = [rule("image_projection.**", f"visual.trunk.{shape.classifier}.**")] if shape.classifier else projections[shape.projection]
    return [*own, rule("image.pooler.**", "visual.trunk.attn_pool.**"), rule("image.trunk.**", "visual.trunk.**")]
