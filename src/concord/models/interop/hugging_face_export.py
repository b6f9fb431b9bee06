"""Our models as folders that transformers reads: CLIPModel with CLIPProcessor, or SiglipModel with SiglipProcessor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import save_file
from timm.models import VisionTransformer
from torch import Tensor, nn

from concord.errors import IncompatibleError
from concord.files import write_json
from concord.images import Preprocess
from concord.models.dual_encoder import DualEncoder
from concord.models.interop.hugging_face import CONFIG, FAMILIES, WEIGHTS
from concord.models.interop.hugging_face_processing import IMAGES, INTERPOLATIONS
from concord.models.interop.hugging_face_tokenizer import exchange, write_tokenizer
from concord.models.interop.mapping import export_weights
from concord.models.interop.reading import activation_of, projection_of
from concord.models.scorer import Scorer
from concord.models.similarity import Cosine
from concord.models.text_tower import TextTower

Kind = Literal["clip", "siglip"]

LEGACY_END = 2
"""CLIP in transformers takes this id of the end token for that of an old file, and reads texts at their largest id instead."""

_EMBEDDING = "text_model.embeddings.token_embedding.weight"
_POSITIONS = "text_model.embeddings.position_embedding.weight"
_HIDDEN_ACTS = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh"}
_CLASSES = {"clip": ("CLIPModel", "CLIPProcessor"), "siglip": ("SiglipModel", "SiglipProcessor")}


def export(scorer: Scorer, folder: Path) -> None:
    """Write config.json, model.safetensors and the files of the tokenizer and of the image processor.

    Embeddings are equal, with these exceptions of processing: transformers resizes with torch unless it is told to use Pillow,
    rounds the centre of a picture down, reads the names of special tokens in a text as these, and neither repairs encodings nor
    unescapes HTML.

    Raises:
        IncompatibleError: for a model, or a preprocessing, that neither CLIP nor SigLIP of transformers can express.
    """
    model, tokenizer = scorer.model, scorer.tokenizer
    kind = _kind(model)
    images = _image_processor(kind, scorer)
    weights = export_weights(FAMILIES[kind].rules, model.state_dict())
    # Positions beyond those that the tokenizer fills are never read.
    weights[_POSITIONS] = weights[_POSITIONS][: tokenizer.context_length].clone()
    if kind == "siglip":
        weights |= {name: weights[name].view(1) for name in ("logit_scale", "logit_bias")}
    elif tokenizer.end_id == LEGACY_END:
        last = tokenizer.vocab_size - 1
        tokenizer = exchange(tokenizer, LEGACY_END, last)
        weights[_EMBEDDING][[LEGACY_END, last]] = weights[_EMBEDDING][[last, LEGACY_END]]
    architecture, processor = _CLASSES[kind]
    pad_id = write_tokenizer(tokenizer, processor, folder)
    if kind == "siglip" and (pad_id, tokenizer.context_length) != (model.text.pad_id, model.text.context_length):
        raise IncompatibleError("the text tower sees padding, and the tokenizer's pad_id and context_length are not its own")
    text = {"pad_token_id": pad_id, "bos_token_id": tokenizer.start_id, "eos_token_id": tokenizer.end_id}
    write_json(folder / CONFIG, {"architectures": [architecture], **_config(kind, model, tokenizer.context_length, text)})
    write_json(folder / IMAGES, {"processor_class": processor, **images})
    save_file(weights, folder / WEIGHTS[0], metadata={"format": "pt"})


def _kind(model: DualEncoder) -> Kind:
    """Which of the two classes the model is.

    Raises:
        IncompatibleError: neither, with the first thing that does not fit.
    """
    image, text, similarity = model.image, model.text, model.similarity
    kind: Kind = "siglip" if image.pooling == "attention" else "clip"
    projections = projection_of(model.image_projection), projection_of(model.text_projection)
    demands: dict[str, bool] = {
        "no caption decoder": model.decoder is None,
        "a cosine similarity": isinstance(similarity, Cosine),
        "a Vision Transformer of plain blocks": isinstance(image.trunk, VisionTransformer) and _plain(image.trunk),
        "a text tower of ours": isinstance(text, TextTower),
    }
    if kind == "clip":
        demands |= {
            "image.pooling=class (or attention, for SigLIP)": image.pooling == "class",
            "image.pre_norm=true": isinstance(getattr(image.trunk, "norm_pre", None), nn.LayerNorm),
            "text.pooling=end": getattr(text, "pooling", None) == "end",
            "projection=linear": projections == ("linear", "linear"),
            "no logit bias": similarity.logit_bias is None,
        }
    else:
        demands |= {
            "image.pre_norm=false": isinstance(getattr(image.trunk, "norm_pre", None), nn.Identity),
            "an attention pooler like the blocks": _pools_as_blocks(image.trunk, image.pooler),
            "text.pooling=last with a pad_id": getattr(text, "pooling", None) == "last" and getattr(text, "pad_id", None) is not None,
            "projection=none and text_projection=affine": projections == ("none", "affine"),
            "a logit bias": similarity.logit_bias is not None,
        }
    for demand, met in demands.items():
        if not met:
            raise IncompatibleError(f"{_CLASSES[kind][0]} of transformers needs {demand}; format=concord takes every model")
    return kind


def _plain(trunk: Any) -> bool:
    """Whether it has nothing that no weight tells of: the table of weights refuses the rest."""
    places = trunk.patch_embed.num_patches + trunk.num_prefix_tokens
    return trunk.pos_embed is not None and trunk.pos_embed.shape[1] == places and trunk.blocks[0].attn.qkv.bias is not None


def _pools_as_blocks(trunk: Any, pooler: Any) -> bool:
    """Whether the pooler has the heads, the hidden width, the activation and the norm of the blocks."""
    block = trunk.blocks[0]
    return (
        pooler.num_heads == block.attn.num_heads
        and pooler.latent.shape[1] == 1
        and pooler.mlp.fc1.out_features == block.mlp.fc1.out_features
        and pooler.norm.eps == block.norm1.eps
        and activation_of(pooler.mlp.act) == activation_of(block.mlp.act)
    )


def _config(kind: Kind, model: DualEncoder, context_length: int, ids: Mapping[str, int | None]) -> dict[str, Any]:
    trunk: Any = model.image.trunk
    text: Any = model.text
    seeing, reading = trunk.blocks[0], text.blocks[0]
    vision = {
        "model_type": f"{kind}_vision_model",
        "image_size": model.image.image_size,
        "patch_size": model.image.patch_size,
        **_layers(len(trunk.blocks), seeing.attn.num_heads, seeing.mlp.fc1, seeing.mlp.act, seeing.norm1),
    }
    words = {
        "model_type": f"{kind}_text_model",
        "vocab_size": text.vocab_size,
        "max_position_embeddings": context_length,
        **_layers(len(text.blocks), reading.attention.heads, reading.mlp[0], reading.mlp[1], reading.norm1),
        **ids,
    }
    width = {"projection_dim": model.embed_dim} if kind == "clip" else {}
    words |= {"projection_size": model.embed_dim} if kind == "siglip" else width
    return {"model_type": kind, **width, "vision_config": {**vision, **width}, "text_config": words}


def _layers(depth: int, heads: int, first: nn.Linear, activation: nn.Module, norm: nn.LayerNorm) -> dict[str, Any]:
    return {
        "hidden_size": first.in_features,
        "intermediate_size": first.out_features,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "hidden_act": _HIDDEN_ACTS[activation_of(activation)],
        "layer_norm_eps": norm.eps,
    }


def _image_processor(kind: Kind, scorer: Scorer) -> dict[str, Any]:
    preprocess: Preprocess = scorer.preprocess
    size = preprocess.image_size
    if preprocess.resize not in (("crop", "squash") if kind == "clip" else ("squash",)) or size != scorer.model.image.image_size:
        wanted = "crop or squash" if kind == "clip" else "squash"
        raise IncompatibleError(
            f"{_CLASSES[kind][1]} of transformers needs preprocess.resize={wanted} to the size that the tower was made for, "
            f"got {preprocess.resize} to {size}; format=concord takes every model"
        )
    square = {"height": size, "width": size}
    crop = {"size": {"shortest_edge": size}, "do_center_crop": True, "crop_size": square}
    cut = crop if preprocess.resize == "crop" else {"size": square, **({"do_center_crop": False} if kind == "clip" else {})}
    return {
        "image_processor_type": "CLIPImageProcessor" if kind == "clip" else "SiglipImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        **cut,
        "resample": next(number for number, name in INTERPOLATIONS.items() if name == preprocess.interpolation),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": _numbers(scorer.model.image.mean),
        "image_std": _numbers(scorer.model.image.std),
    }


def _numbers(statistics: Tensor) -> list[float]:
    """With the seven digits that single precision has, so that 0.4 does not become 0.4000000059."""
    return [float(f"{value:.7g}") for value in statistics.flatten().tolist()]
