"""Our image towers in OpenCLIP's configurations: its own Vision Transformer, CLIP's ResNets, or a model of timm as it stands."""

from __future__ import annotations

from typing import Any

import timm
import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models import VisionTransformer, is_model_in_modules
from torch import nn

from concord.errors import IncompatibleError
from concord.models.dual_encoder import DualEncoder
from concord.models.image_tower import ImageTower
from concord.models.interop.open_clip_names import Shape
from concord.models.interop.open_clip_spec import CONVOLUTIONAL, RESNETS
from concord.models.interop.reading import activation_of, mlp_ratio, projection_of
from concord.models.poolers import AttentionPooler

_WIDER_OPTIONS = ("heads", "activation", "norm_eps", "layer_scale", "pre_norm")
"""Options that a timm model can have in other values than its own without other shapes."""


def image_config(model: DualEncoder, size: int) -> tuple[dict[str, Any], Shape]:
    """The vision_cfg of our model, with the activation under "act", and what decides how its weights are called.

    Args:
        size: side of the images that it is given, pixels.

    Raises:
        IncompatibleError: for a tower that OpenCLIP cannot express.
    """
    tower = model.image
    kinds = projection_of(model.image_projection), projection_of(model.text_projection)
    if not is_model_in_modules(tower.name, CONVOLUTIONAL - {"byobnet"}) and tower.image_size != size:
        raise IncompatibleError(f"preprocess.image_size is {size} and image.image_size {tower.image_size}; OpenCLIP needs them equal")
    if _is_theirs(tower) and kinds[0] == "linear":
        return _transformer(tower), Shape("transformer", tower.pooling, *kinds, separate_pooler=tower.width != tower.trunk.num_features)
    if tower.name in RESNETS.values() and kinds[0] in ("linear", "affine"):
        layers, width = next(key for key, name in RESNETS.items() if name == tower.name)
        return {"image_size": size, "layers": list(layers), "width": width}, Shape("resnet", tower.pooling, "affine", kinds[1])
    return _timm(tower, kinds[0]) | {"image_size": size}, Shape("timm", tower.pooling, *kinds)


def _is_theirs(tower: ImageTower) -> bool:
    """Whether the tower is built as OpenCLIP's Vision Transformer: one class token, learned positions, plain blocks."""
    trunk = tower.trunk
    if not isinstance(trunk, VisionTransformer):
        return False
    attention: Any = trunk.blocks[0].attn
    return (
        type(trunk.patch_embed) is PatchEmbed
        and trunk.has_class_token
        and trunk.num_prefix_tokens == 1
        and trunk.pos_embed is not None
        and not trunk.no_embed_class
        and attention.qkv.bias is not None
        and tower.pooling in ("class", "average", "queries")
    )


def _transformer(tower: ImageTower) -> dict[str, Any]:
    trunk = tower.trunk
    block, width = trunk.blocks[0], trunk.num_features
    config: dict[str, Any] = {
        "image_size": tower.image_size,
        "layers": len(trunk.blocks),
        "width": width,
        "head_width": width // block.attn.num_heads,
        "mlp_ratio": mlp_ratio(block.mlp.fc1, width),
        "patch_size": tower.patch_size,
        "patch_dropout": tower.patch_dropout,
        "no_ln_pre": isinstance(trunk.norm_pre, nn.Identity),
        "pool_type": "avg" if tower.pooling == "average" else "tok",
        "final_ln_after_pool": tower.norm_after_pooling,
        "norm_kwargs": {"eps": block.norm1.eps},
        "act": activation_of(block.mlp.act),
    }
    if not isinstance(block.ls1, nn.Identity):
        config["ls_init_value"] = 1e-5
    if isinstance(tower.pooler, AttentionPooler):
        heads, queries = tower.pooler.attention.heads, tower.pooler.queries.shape[0]
        config |= {"attentional_pool": True, "attn_pooler_heads": heads, "attn_pooler_queries": queries}
    return config


def _timm(tower: ImageTower, projection: str) -> dict[str, Any]:
    """A model that OpenCLIP asks timm for by name alone."""
    if tower.stem != "linear":
        raise IncompatibleError(f"image.stem={tower.stem} has no counterpart in OpenCLIP; train with model.image.stem=linear")
    pool = _timm_pool(tower)
    proj: dict[str, dict[str, Any]] = {"linear": {"timm_proj": "linear"}, "affine": {"timm_proj": "linear", "timm_proj_bias": True}}
    proj |= {"gelu_mlp": {"timm_proj": "mlp"}, "none": {"timm_proj": "none"}}
    if projection not in proj:
        raise IncompatibleError(f"an image projection {projection!r} has no counterpart in OpenCLIP; use linear")
    _check_stock(tower)
    return {"timm_model_name": tower.name, "timm_model_pretrained": False, "timm_pool": pool, **proj[projection]}


def _timm_pool(tower: ImageTower) -> str:
    plain = isinstance(tower.trunk, VisionTransformer)
    if tower.pooling == "attention" and plain:
        return "map"
    if tower.pooling == "class" and (plain or is_model_in_modules(tower.name, {"eva"})):
        return "token"
    if tower.pooling == "average" and is_model_in_modules(tower.name, CONVOLUTIONAL):
        return "avg"
    raise IncompatibleError(f"image.pooling={tower.pooling} of {tower.name} has no counterpart in OpenCLIP")


def _check_stock(tower: ImageTower) -> None:
    """Refuse a timm model that is not as its name alone would give it."""
    with torch.device("meta"):
        stock = timm.create_model(tower.name, num_classes=0).state_dict()
    ours = tower.trunk.state_dict() | {f"attn_pool.{name}": value for name, value in _pooler_state(tower).items()}
    same = {name: value.shape for name, value in stock.items()} == {name: value.shape for name, value in ours.items()}
    changed = [name for name in _WIDER_OPTIONS if name in tower.options]
    if not same or changed:
        cause = f"image.{changed[0]} is set" if changed else "its layers or sizes are not timm's"
        raise IncompatibleError(f"OpenCLIP takes timm's {tower.name} only as it stands, and {cause}")


def _pooler_state(tower: ImageTower) -> dict[str, Any]:
    return dict(tower.pooler.state_dict()) if tower.pooler is not None else {}
