"""How Hugging Face names the weights of CLIP and SigLIP that we have: tables for `mapping`."""

from __future__ import annotations

from concord.models.interop.mapping import Rule, rule, under

_ATTENTION = ("self_attn.q_proj.**", "self_attn.k_proj.**", "self_attn.v_proj.**")

_IMAGE_BLOCK = [
    rule("norm1.**", "layer_norm1.**"),
    rule("norm2.**", "layer_norm2.**"),
    rule("attn.qkv.**", _ATTENTION),
    rule("attn.proj.**", "self_attn.out_proj.**"),
    rule("mlp.**", "mlp.**"),
]

_TEXT_BLOCK = [
    rule("norm1.**", "layer_norm1.**"),
    rule("norm2.**", "layer_norm2.**"),
    rule("attention.qkv.**", _ATTENTION),
    rule("attention.proj.**", "self_attn.out_proj.**"),
    rule("mlp.0.**", "mlp.fc1.**"),
    rule("mlp.2.**", "mlp.fc2.**"),
]

_COMMON = [
    rule("image.trunk.pos_embed", "vision_model.embeddings.position_embedding.weight", "reshaped"),
    *under("image.trunk.blocks.*.", "vision_model.encoder.layers.*.", _IMAGE_BLOCK),
    rule("image.trunk.norm.**", "vision_model.post_layernorm.**"),
    rule("text.token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
    rule("text.positional_embedding", "text_model.embeddings.position_embedding.weight"),
    *under("text.blocks.*.", "text_model.encoder.layers.*.", _TEXT_BLOCK),
    rule("text.norm.**", "text_model.final_layer_norm.**"),
    rule("similarity.logit_scale", "logit_scale", "reshaped"),
    Rule(("image.mean",), (), "own"),
    Rule(("image.std",), (), "own"),
]

_PATCHES = "image.trunk.patch_embed.proj."

CLIP = [
    rule(_PATCHES + "weight", "vision_model.embeddings.patch_embedding.weight"),
    Rule((_PATCHES + "bias",), (), "zero"),
    rule("image.trunk.cls_token", "vision_model.embeddings.class_embedding", "reshaped"),
    rule("image.trunk.norm_pre.**", "vision_model.pre_layrnorm.**"),
    rule("image_projection.weight", "visual_projection.weight"),
    rule("text_projection.weight", "text_projection.weight"),
    *_COMMON,
]
"""Of a CLIPModel."""

_POOLER = [
    rule("latent", "probe"),
    rule(("q.weight", "kv.weight"), "attention.in_proj_weight"),
    rule(("q.bias", "kv.bias"), "attention.in_proj_bias"),
    rule("proj.**", "attention.out_proj.**"),
    rule("norm.**", "layernorm.**"),
    rule("mlp.**", "mlp.**"),
]

SIGLIP = [
    rule(_PATCHES + "**", "vision_model.embeddings.patch_embedding.**"),
    *under("image.pooler.", "vision_model.head.", _POOLER),
    rule("text_projection.**", "text_model.head.**"),
    rule("similarity.logit_bias", "logit_bias", "reshaped"),
    *_COMMON,
]
"""Of a SiglipModel."""
