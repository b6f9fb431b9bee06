"""From OpenCLIP's configurations to the description of our dual encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from timm.models import is_model_in_modules
from torch import Tensor

from concord.errors import CheckpointError
from concord.models.interop.open_clip_names import Shape

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the pixels, where a configuration does not say: those of OpenAI's CLIP."""

RESNETS = {
    ((3, 4, 6, 3), 64): "resnet50_clip",
    ((3, 4, 23, 3), 64): "resnet101_clip",
    ((4, 6, 10, 6), 80): "resnet50x4_clip",
    ((6, 8, 18, 8), 96): "resnet50x16_clip",
    ((3, 15, 36, 10), 128): "resnet50x64_clip",
}
"""timm's names of CLIP's ResNets, by depths and width."""

CONVOLUTIONAL = {"convnext", "swin_transformer", "resnet", "byobnet"}
"""timm's modules whose models give a map of features and pool it in their own head."""

# Of training, or said elsewhere; our model is the same whatever they are.
_IGNORED = {"vision_cfg": {"patch_dropout", "output_tokens", "timm_model_pretrained", "timm_drop", "timm_drop_path", "image_size"}}
_IGNORED["text_cfg"] = {"output_tokens", "hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs", "context_length", "eos_id"}
_IGNORED["multimodal_cfg"] = {"context_length", "vocab_size", "dim_head", "n_queries", "attn_pooler_heads", "mlp_ratio"}
_IGNORED["model_cfg"] = {"custom_text", "init_logit_scale", "nonscalar_logit_scale", "vision_cfg", "text_cfg"}


class _Section:
    """Part of a configuration of which every option must be asked for, so that none is overlooked."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self.name = name
        self.left = {key: value for key, value in values.items() if key not in _IGNORED[name]}

    def take(self, key: str, default: Any) -> Any:
        value = self.left.pop(key, default)
        return default if value is None else value

    def refuse(self, problem: str) -> CheckpointError:
        return CheckpointError(f"{self.name}.{problem}: our towers do not have this; the model cannot be loaded")

    def end(self) -> None:
        """Refuse what nobody asked for, unless it is switched off."""
        for key, value in self.left.items():
            if value not in (None, False, "", "learnable", "default"):
                raise self.refuse(f"{key}={value}")


def make_spec(config: Mapping[str, Any], weights: Mapping[str, Tensor], pad_id: int) -> tuple[dict[str, Any], Shape]:
    """The description of our model, and what decides how its weights are called.

    Args:
        config: OpenCLIP's.
        weights: theirs by name, the text tower under `text.`.
        pad_id: of the tokenizer.

    Raises:
        CheckpointError: for options that our towers do not have.
    """
    whole = _Section("model_cfg", config)
    embed_dim = int(whole.take("embed_dim", 0))
    quick = bool(whole.take("quick_gelu", False))
    vision, text = _Section("vision_cfg", config["vision_cfg"]), _Section("text_cfg", config["text_cfg"])
    image, shape = _image_tower(vision, embed_dim, quick, config["vision_cfg"].get("image_size", 224), weights)
    vision.end()
    projection = _text_projection(text)
    spec: dict[str, Any] = {
        "_target_": "concord.models.DualEncoder",
        "embed_dim": embed_dim,
        "image": {"_target_": "concord.models.ImageTower", **image},
        "text": {"_target_": "concord.models.TextTower", **_text_tower(text, config["text_cfg"], quick, pad_id)},
        "similarity": _similarity(whole, weights),
        "projection": shape.projection,
        "text_projection": projection,
    }
    text.end()
    decoder = whole.take("multimodal_cfg", None)
    if decoder is not None:
        unnormed = bool(config["vision_cfg"].get("final_ln_after_pool", False)) and spec["image"]["pooling"] != "queries"
        spec["decoder"] = _decoder(_Section("multimodal_cfg", decoder), spec, quick, unnormed)
    whole.end()
    return spec, Shape(**{**vars(shape), "text_projection": projection})


def _image_tower(cfg: _Section, embed_dim: int, quick: bool, size: Any, weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], Shape]:
    size = size if isinstance(size, int) else size[0]
    name = cfg.take("timm_model_name", "")
    if name:
        return _timm_tower(cfg, name, weights)
    layers, width = cfg.take("layers", 12), cfg.take("width", 768)
    if isinstance(layers, int):
        return _transformer_tower(cfg, layers, width, embed_dim, quick, size)
    for unread in ("patch_size", "head_width"):
        cfg.take(unread, None)
    name = RESNETS.get((tuple(layers), width))
    if name is None:
        raise cfg.refuse(f"layers={layers} with width={width}")
    return {"name": name, "pooling": "average", "image_size": size}, Shape("resnet", "average", "affine", "")


def _transformer_tower(cfg: _Section, layers: int, width: int, embed_dim: int, quick: bool, size: int) -> tuple[dict[str, Any], Shape]:
    kind, last, queries = cfg.take("pool_type", "tok"), cfg.take("final_ln_after_pool", False), cfg.take("attentional_pool", False)
    pool: dict[str, Any] = {"pooling": {"tok": "class", "avg": "average"}.get(kind)}
    count, heads = cfg.take("attn_pooler_queries", 256), cfg.take("attn_pooler_heads", 8)
    if queries:
        if queries is not True or kind != "tok":
            raise cfg.refuse(f"attentional_pool={queries} with pool_type={kind}")
        pool = {"pooling": "queries", "caption_queries": count - 1, "pool_heads": heads, "pool_width": embed_dim}
    elif pool["pooling"] is None:
        raise cfg.refuse(f"pool_type={kind}")
    tower = {
        "name": "vit_base_patch16_clip_224",
        **pool,
        "image_size": size,
        "patch_size": cfg.take("patch_size", 16),
        "width": width,
        "depth": layers,
        "heads": width // cfg.take("head_width", 64),
        "mlp_ratio": cfg.take("mlp_ratio", 4.0),
        "activation": _activation(cfg, quick),
        "norm_eps": _norm_eps(cfg),
        "pre_norm": not cfg.take("no_ln_pre", False),
        "layer_scale": cfg.take("ls_init_value", None),
        "norm_after_pooling": bool(last) and pool["pooling"] == "average",  # of one token, norm and pooling can change places
    }
    return tower, Shape("transformer", pool["pooling"], "linear", "", separate_pooler=width != embed_dim)


def _timm_tower(cfg: _Section, name: str, weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], Shape]:
    pool, bias = cfg.take("timm_pool", "avg"), cfg.take("timm_proj_bias", False)
    kind = cfg.left.pop("timm_proj", "linear")  # here None has a meaning: the projection is timm's classifier
    classifier = next((head for head in ("head", "head.fc") if f"visual.trunk.{head}.weight" in weights), "")
    projection = {"linear": "affine" if bias else "linear", "mlp": "gelu_mlp", "none": "none"}.get(kind or "", "affine")
    if (kind == "mlp" and bias) or (not kind and not classifier):
        raise cfg.refuse(f"timm_proj={kind} with timm_proj_bias={bias}")
    pooling = _timm_pooling(cfg, name, pool)
    return {"name": name, "pooling": pooling}, Shape("timm", pooling, projection, "", "" if kind else classifier)


def _timm_pooling(cfg: _Section, name: str, pool: str) -> str:
    """Ours, for the combinations of models and poolings of which it is known that they do the same."""
    plain = is_model_in_modules(name, {"vision_transformer", "deit"})
    if pool == "map" and plain:
        return "attention"
    if pool == "token" and (plain or is_model_in_modules(name, {"eva"})):
        return "class"
    if pool in ("", "avg") and is_model_in_modules(name, CONVOLUTIONAL):
        return "average"
    raise cfg.refuse(f"timm_pool={pool!r} with timm_model_name={name}")


def _text_projection(cfg: _Section) -> str:
    bias = cfg.take("proj_bias", False)
    if cfg.take("proj_type", "linear") == "none":
        return "none"
    return "affine" if bias else "linear"


def _text_tower(cfg: _Section, config: Mapping[str, Any], quick: bool, pad_id: int) -> dict[str, Any]:
    if cfg.take("hf_model_name", ""):
        raise cfg.refuse(f"hf_model_name={config['hf_model_name']}")
    width, ratio = cfg.take("width", 512), cfg.take("mlp_ratio", 4.0)
    return {
        "vocab_size": cfg.take("vocab_size", 49408),
        "context_length": config.get("context_length", 77),
        "width": width,
        "depth": cfg.take("layers", 12),
        "heads": cfg.take("heads", 8),
        "mlp_ratio": int(width * ratio) / width,
        "activation": _activation(cfg, quick),
        "norm_eps": _norm_eps(cfg),
        **_text_pooling(cfg, pad_id),
    }


def _text_pooling(cfg: _Section, pad_id: int) -> dict[str, Any]:
    kind, both_ways = cfg.take("pool_type", "argmax"), cfg.take("no_causal_mask", False)
    hidden = cfg.take("pad_id", 0)
    if cfg.take("embed_cls", False) and not both_ways:
        return {"pooling": "class", "pad_id": hidden}
    if kind == "last" and both_ways:
        return {"pooling": "last", "pad_id": pad_id}
    if kind in ("argmax", "eos") and not both_ways:
        return {"pooling": "end"}
    raise cfg.refuse(f"pool_type={kind} with no_causal_mask={both_ways}")


def _decoder(cfg: _Section, spec: Mapping[str, Any], quick: bool, unnormed: bool) -> dict[str, Any]:
    image = spec["image"]
    if quick or unnormed or "width" not in image:
        trunk = f"timm_model_name={image['name']}" if "width" not in image else "final_ln_after_pool=True"
        raise cfg.refuse("quick_gelu=True" if quick else trunk)
    decoder = {
        "_target_": "concord.models.CaptionDecoder",
        "vocab_size": spec["text"]["vocab_size"],
        "width": cfg.take("width", 512),
        "image_width": image.get("pool_width", image["width"]),
        "depth": cfg.take("layers", 12),
        "heads": cfg.take("heads", 8),
    }
    cfg.end()
    return decoder


def _similarity(cfg: _Section, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    if "logit_scale" not in weights:
        raise CheckpointError("the weights do not fit the model: logit_scale is missing")
    scale = math.exp(float(weights["logit_scale"]))
    # OpenCLIP bounds the scale in training alone, and SigLIP's, which has no bound, goes beyond CLIP's 100.
    largest = 100.0 if scale <= 100.001 else 10.0 ** math.ceil(math.log10(scale))
    bias = cfg.take("init_logit_bias", None)
    return {"_target_": "concord.models.Cosine", "max_scale": largest, "init_bias": None if bias is None else float(bias)}


def _activation(cfg: _Section, quick: bool) -> str:
    options = cfg.take("act_kwargs", {})
    if options not in ({}, {"approximate": "tanh"}) or (quick and options):
        raise cfg.refuse(f"act_kwargs={options}")
    return "quick_gelu" if quick else "gelu_tanh" if options else "gelu"


def _norm_eps(cfg: _Section) -> float:
    options = cfg.take("norm_kwargs", {})
    if set(options) - {"eps"}:
        raise cfg.refuse(f"norm_kwargs={options}")
    return float(options.get("eps", 1e-5))
