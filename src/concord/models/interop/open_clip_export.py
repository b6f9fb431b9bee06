"""Our models as folders that OpenCLIP reads: `open_clip.create_model_and_transforms("local-dir:FOLDER")`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from concord.errors import IncompatibleError
from concord.models.decoder import CaptionDecoder
from concord.models.dual_encoder import DualEncoder
from concord.models.interop.mapping import export_weights
from concord.models.interop.open_clip import CONFIG, WEIGHTS
from concord.models.interop.open_clip_export_image import image_config
from concord.models.interop.open_clip_names import POSITIONS, Shape, rules, unfold_class_position
from concord.models.interop.open_clip_tokenizers import write_tokenizer
from concord.models.interop.reading import activation_of, mlp_ratio, projection_of
from concord.models.scorer import Scorer
from concord.models.similarity import Cosine
from concord.models.text_tower import TextTower
from concord.tokenizers import Tokenizer

_RESIZES = {"crop": "shortest", "pad": "longest", "squash": "squash"}


def export(scorer: Scorer, folder: Path) -> None:
    """Write open_clip_config.json, open_clip_model.safetensors and, for other vocabularies than CLIP's, the tokenizer's files.

    OpenCLIP does a few things in its own way, whatever the model: it repairs captions before it tokenises them, shows transparent
    pictures without a background, and does not turn pictures upright by their EXIF entry.

    Raises:
        IncompatibleError: for a model that OpenCLIP cannot express, with the part that is to blame.
    """
    model, tokenizer = scorer.model, scorer.tokenizer
    if not isinstance(model.similarity, Cosine):
        raise IncompatibleError(f"similarity {type(model.similarity).__name__} has no counterpart in OpenCLIP, which knows Cosine alone")
    vision, shape = image_config(model, scorer.preprocess.image_size)
    text = _text_config(model, tokenizer)
    config: dict[str, Any] = {"embed_dim": model.embed_dim, "custom_text": True, "vision_cfg": vision, "text_cfg": text}
    if model.similarity.logit_bias is not None:
        config["init_logit_bias"] = model.similarity.logit_bias.item()
    _join_activations(config)
    if model.decoder is not None:
        config["multimodal_cfg"] = _decoder_config(model.decoder, model, config)
    view = _preprocess_config(scorer)
    folder.mkdir(parents=True, exist_ok=True)
    text |= write_tokenizer(tokenizer, getattr(model.text, "pad_id", None) is not None, folder)
    if text["pool_type"] == "argmax" and "hf_tokenizer_name" in text:
        text |= {"pool_type": "eos", "eos_id": tokenizer.suffix[-1]}
    save_file(_weights(model, shape, tokenizer.context_length), folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": view}, indent=2), encoding="utf-8")


def _weights(model: DualEncoder, shape: Shape, context_length: int) -> dict[str, Tensor]:
    weights = model.state_dict()
    if shape.trunk == "resnet" and "image_projection.bias" not in weights:
        weights["image_projection.bias"] = weights["image_projection.weight"].new_zeros(model.embed_dim)
    bias, places = "image.trunk.patch_embed.proj.bias", "image.trunk.pos_embed"
    if shape.trunk == "transformer" and bias in weights:
        # Their patches have no bias; added to the positions of all patches, it does the same.
        shift = torch.cat([torch.zeros_like(weights[bias])[None, None], weights[bias].expand(1, weights[places].shape[1] - 1, -1)], dim=1)
        weights |= {bias: torch.zeros_like(weights[bias]), places: weights[places] + shift}
    theirs = export_weights(rules(shape), weights)
    # Positions beyond those that the tokenizer fills are never read.
    theirs[POSITIONS] = theirs[POSITIONS][:context_length].contiguous()
    return unfold_class_position(theirs)


def _text_config(model: DualEncoder, tokenizer: Tokenizer) -> dict[str, Any]:
    tower = model.text
    if not isinstance(tower, TextTower):
        raise IncompatibleError("text towers of Hugging Face are not exported to OpenCLIP; use concord.models.TextTower")
    if tower.pad_id is not None and (tower.context_length != tokenizer.context_length or tower.pad_id != tokenizer.pad_id):
        raise IncompatibleError("a text tower that sees padding needs the tokenizer's context_length and pad_id to be its own")
    block: Any = tower.blocks[0]
    config: dict[str, Any] = {
        "context_length": tokenizer.context_length,
        "vocab_size": tower.vocab_size,
        "width": tower.width,
        "heads": block.attention.heads,
        "layers": len(tower.blocks),
        "mlp_ratio": mlp_ratio(block.mlp[0], tower.width),
        "norm_kwargs": {"eps": tower.norm.eps},
        "act": activation_of(block.mlp[1]),
        **_text_pooling(tower),
    }
    projection = projection_of(model.text_projection)
    if projection not in ("linear", "affine", "none"):
        raise IncompatibleError(f"a text projection {projection!r} has no counterpart in OpenCLIP; use linear, affine or none")
    switches: dict[str, dict[str, Any]] = {"linear": {}, "affine": {"proj_bias": True}, "none": {"proj_type": "none"}}
    return config | switches[projection]


def _text_pooling(tower: TextTower) -> dict[str, Any]:
    if tower.pooling == "end":
        return {"pool_type": "argmax"}
    if tower.pooling == "class" and tower.pad_id is not None:
        return {"pool_type": "argmax", "embed_cls": True, "pad_id": tower.pad_id}
    if tower.pooling == "last" and tower.pad_id is not None:
        return {"pool_type": "last", "no_causal_mask": True}
    hidden = "" if tower.pad_id is not None else " with hidden padding"
    raise IncompatibleError(
        f"text.pooling={tower.pooling}{hidden} has no counterpart in OpenCLIP; models with text.pooling=end can go there"
    )


def _join_activations(config: dict[str, Any]) -> None:
    """OpenCLIP has one switch for the quick GELU of both towers, and options for the rest."""
    parts = [part for part in (config["vision_cfg"], config["text_cfg"]) if "act" in part]
    kinds = {part["act"] for part in parts}
    config["quick_gelu"] = "quick_gelu" in kinds
    if config["quick_gelu"] and len(kinds) > 1:
        raise IncompatibleError(f"towers with the activations {' and '.join(sorted(kinds))} have no counterpart in OpenCLIP")
    for part in parts:
        part |= {"act_kwargs": {"approximate": "tanh"}} if part.pop("act") == "gelu_tanh" else {}


def _decoder_config(decoder: CaptionDecoder, model: DualEncoder, config: dict[str, Any]) -> dict[str, Any]:
    block: Any = decoder.blocks[0]
    native = "timm_model_name" not in config["vision_cfg"] and isinstance(config["vision_cfg"]["layers"], int)
    if not native or decoder.image_width != decoder.width or config["quick_gelu"] or model.image.norm_after_pooling:
        raise IncompatibleError(
            "OpenCLIP's captioning models have a Vision Transformer with its norm before the pooling, image tokens as wide as those of "
            "texts, and exact GELUs"
        )
    if mlp_ratio(block.mlp[0], decoder.width) != 4.0:
        raise IncompatibleError("decoder.mlp_ratio has no counterpart in OpenCLIP; it must be 4")
    for part in ("vision_cfg", "text_cfg"):
        config[part]["output_tokens"] = True
    return {
        "context_length": config["text_cfg"]["context_length"],
        "vocab_size": decoder.vocab_size,
        "width": decoder.width,
        "heads": block.attention.heads,
        "layers": len(decoder.blocks),
    }


def _preprocess_config(scorer: Scorer) -> dict[str, Any]:
    image, view = scorer.model.image, scorer.preprocess
    if view.interpolation == "lanczos":
        raise IncompatibleError("preprocess.interpolation=lanczos has no counterpart in OpenCLIP; use bicubic or bilinear")
    if view.resize == "pad" and len(set(view.background)) > 1:
        raise IncompatibleError("preprocess.background must be a grey for OpenCLIP, whose padding has one value")
    return {
        "size": view.image_size,
        "mode": "RGB",
        "mean": image.mean.flatten().tolist(),
        "std": image.std.flatten().tolist(),
        "interpolation": view.interpolation,
        "resize_mode": _RESIZES[view.resize],
        "fill_color": view.background[0] if view.resize == "pad" else 0,
    }
