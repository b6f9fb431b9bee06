"""Hugging Face's CLIP and SigLIP: a folder with config.json, or "hf:OWNER/NAME". Read without transformers; no code is run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from concord.errors import CheckpointError
from concord.models.interop import open_clip
from concord.models.interop.contents import Contents, describe
from concord.models.interop.hugging_face_names import CLIP, SIGLIP
from concord.models.interop.hugging_face_processing import read_json, read_pixels, read_tokenizer
from concord.models.interop.mapping import Rule
from concord.models.interop.weights import first_line, read_weights
from concord.tokenizers import Tokenizer

SCHEME = "hf:"
CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""Where the weights may be, the best place first."""

ACTIVATIONS = {"quick_gelu": "quick_gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh"}
"""By their names, ours."""


@dataclass(frozen=True)
class Family:
    """What a kind of model is to us.

    Attributes:
        rules: of its weights.
        image, text: options of our towers that all of the family share.
        vision_defaults, text_defaults: what their configurations mean where they say nothing.
        cut: what their image processor does to the sides of a picture where it does not say.
    """

    rules: Sequence[Rule]
    image: Mapping[str, Any]
    text: Mapping[str, Any]
    vision_defaults: Mapping[str, Any]
    text_defaults: Mapping[str, Any]
    cut: Literal["crop", "squash"]


_WIDE = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_CLIP_LAYERS = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
_SIGLIP_LAYERS = {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6}

FAMILIES = {
    "clip": Family(
        CLIP,
        {"name": "vit_base_patch16_clip_224", "pooling": "class", "pre_norm": True},
        {"pooling": "end"},
        {**_WIDE, **_CLIP_LAYERS, "image_size": 224, "patch_size": 32, "num_channels": 3},
        {
            "hidden_size": 512,
            "intermediate_size": 2048,
            "num_hidden_layers": 12,
            "num_attention_heads": 8,
            "vocab_size": 49408,
            "max_position_embeddings": 77,
            "eos_token_id": 49407,
            **_CLIP_LAYERS,
        },
        "crop",
    ),
    "siglip": Family(
        SIGLIP,
        {"name": "vit_base_patch16_siglip_224", "pooling": "attention", "pre_norm": False},
        {"pooling": "last"},
        {**_WIDE, **_SIGLIP_LAYERS, "image_size": 224, "patch_size": 16, "num_channels": 3, "vision_use_head": True},
        {**_WIDE, **_SIGLIP_LAYERS, "vocab_size": 32000, "max_position_embeddings": 64, "projection_size": None},
        "squash",
    ),
}
"""By model_type. SigLIP 2 at a fixed resolution calls itself siglip too."""


def read(source: str) -> Contents | None:
    """A CLIP or SigLIP of Hugging Face: a folder as `save_pretrained` writes it, or "hf:OWNER/NAME", from the cache or the hub.

    Raises:
        CheckpointError: another kind of model, an option that our towers do not have, or files that are missing or damaged.
        MissingExtraError: a tokenizer without tokenizer.json, where transformers is not installed.
    """
    if source.startswith(SCHEME):
        return _read_named(source.removeprefix(SCHEME))
    folder = Path(source)
    if not (folder / CONFIG).is_file() or "model_type" not in (config := read_json(folder / CONFIG)):
        return None
    return _read_folder(folder, config)


def _read_folder(folder: Path, config: Mapping[str, Any]) -> Contents:
    kind = str(config["model_type"])
    if kind not in FAMILIES:
        hint = ", whose pictures keep their shape; take one of a fixed resolution" if kind == "siglip2" else ""
        raise CheckpointError(f"{folder / CONFIG}: model_type={kind}{hint}; {' and '.join(FAMILIES)} are read")
    family = FAMILIES[kind]
    vision, text = (_section(config, name) for name in ("vision", "text"))
    vision, text = {**family.vision_defaults, **vision}, {**family.text_defaults, **text}
    tokenizer = read_tokenizer(folder, text["max_position_embeddings"], fills=kind == "siglip")
    preprocess, mean, std = read_pixels(folder, vision["image_size"], family.cut)
    weights = _weights(folder)
    try:
        spec = _spec(kind, config, vision, text, tokenizer, weights)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise CheckpointError(f"{folder / CONFIG} is damaged: {first_line(error)}") from None
    spec["image"] |= {"mean": mean, "std": std}
    return Contents(describe(spec, tokenizer, preprocess), weights, family.rules)


def _section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The configuration of a tower; an older form of it wins where both are there, as in transformers."""
    return dict(config.get(f"{name}_config_dict") or config.get(f"{name}_config") or {})


def _spec(
    kind: str,
    config: Mapping[str, Any],
    vision: Mapping[str, Any],
    text: Mapping[str, Any],
    tokenizer: Tokenizer,
    weights: Mapping[str, Tensor],
) -> dict[str, Any]:
    """The description of our model."""
    if kind == "clip":
        _check_end(text, tokenizer)
        embed_dim, projections = config.get("projection_dim") or 512, {"projection": "linear"}
    else:
        if not vision["vision_use_head"]:
            raise CheckpointError("vision_config.vision_use_head=false: a model without its pooling head has no image embeddings")
        embed_dim, projections = vision["hidden_size"], {"projection": "none", "text_projection": "affine"}
    if vision["num_channels"] != 3:
        raise CheckpointError(f"vision_config.num_channels={vision['num_channels']}: only pictures of three colours are read")
    width, hidden = vision["hidden_size"], vision["intermediate_size"]
    image = {
        "_target_": "concord.models.ImageTower",
        "image_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "width": width,
        "depth": vision["num_hidden_layers"],
        "heads": vision["num_attention_heads"],
        "mlp_ratio": hidden / width if int(width * (hidden / width)) == hidden else (hidden + 0.5) / width,  # timm cuts, not rounds
        **_layers("vision", vision),
        **FAMILIES[kind].image,
    }
    words = {
        "_target_": "concord.models.TextTower",
        "vocab_size": text["vocab_size"],
        "context_length": text["max_position_embeddings"],
        "width": text["hidden_size"],
        "depth": text["num_hidden_layers"],
        "heads": text["num_attention_heads"],
        "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
        **_layers("text", text),
        **FAMILIES[kind].text,
        **({"pad_id": tokenizer.pad_id} if kind == "siglip" else {}),
    }
    similarity = _similarity(weights, biased=kind == "siglip")
    target = {"_target_": "concord.models.DualEncoder", "embed_dim": embed_dim}
    return {**target, "image": image, "text": words, "similarity": similarity, **projections}


def _layers(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    activation = section["hidden_act"]
    if activation not in ACTIVATIONS:
        raise CheckpointError(f"{name}_config.hidden_act={activation}: our towers have {', '.join(ACTIVATIONS)}")
    return {"activation": ACTIVATIONS[activation], "norm_eps": float(section["layer_norm_eps"])}


def _similarity(weights: Mapping[str, Tensor], biased: bool) -> dict[str, Any]:
    if "logit_scale" not in weights:
        raise CheckpointError("the weights do not fit the model: logit_scale is missing")
    scale = math.exp(float(weights["logit_scale"]))
    # CLIP is bounded in training alone, and SigLIP, which has no bound, goes beyond CLIP's 100.
    largest = 100.0 if scale <= 100.001 else 10.0 ** math.ceil(math.log10(scale))
    return {"_target_": "concord.models.Cosine", "max_scale": largest, "init_bias": -10.0 if biased else None}


def _check_end(text: Mapping[str, Any], tokenizer: Tokenizer) -> None:
    """CLIP reads a text at the first end token, or, where its id is said to be 2 as older files have it, at the largest id."""
    end = text["eos_token_id"]
    reads = tokenizer.vocab_size - 1 if end == 2 else end
    if tokenizer.end_id != reads:
        raise CheckpointError(f"text_config.eos_token_id={end}, but texts end with id {tokenizer.end_id}; is it another model's tokenizer?")


def _weights(folder: Path) -> dict[str, Tensor]:
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise CheckpointError(f"{folder} holds {CONFIG} and no weights; one of {', '.join(WEIGHTS)} is wanted")
    weights = _sharded(found) if found.suffix == ".json" else read_weights(found)
    # Older files keep the numbers 0, 1, 2, ... of the positions.
    return {name: tensor for name, tensor in weights.items() if not name.endswith(".position_ids")}


def _sharded(index: Path) -> dict[str, Tensor]:
    files = read_json(index).get("weight_map")
    if not isinstance(files, dict):
        raise CheckpointError(f"{index} names no files of weights")
    weights: dict[str, Tensor] = {}
    for name in sorted({str(file) for file in files.values()}):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise CheckpointError(f"{index} names {name}, which is no safetensors file of its folder")
        weights |= read_weights(index.parent / name)
    return weights


def _read_named(name: str) -> Contents:
    folder = _fetch(name)
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if config.get("model_type") in FAMILIES or not (folder / open_clip.CONFIG).is_file():
        if "model_type" not in config:
            raise CheckpointError(f"{SCHEME}{name} has no {CONFIG} of a model")
        return _read_folder(folder, config)
    contents = open_clip.read(str(folder))
    assert contents is not None
    return contents


def _fetch(name: str) -> Path:
    """The model's files in the cache of the hub: configurations, and of the weights the best form that there is."""
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        folder = Path(snapshot_download(name, allow_patterns=["*.json", "*.txt", "*.model", "*.gz"]))
        own = (folder / CONFIG).is_file() and read_json(folder / CONFIG).get("model_type") in FAMILIES
        if (folder / WEIGHTS[1]).is_file():
            snapshot_download(name, allow_patterns=["*.safetensors"])
            return folder
        for file in WEIGHTS if own else open_clip.WEIGHT_FILES:
            try:
                hf_hub_download(name, file)
            except EntryNotFoundError:
                continue
            return folder
    except CheckpointError:
        raise
    except Exception as error:  # hub, network and file errors share no class
        raise CheckpointError(f"cannot fetch {SCHEME}{name}: {first_line(error)}") from None
    raise CheckpointError(f"{SCHEME}{name} has no weights that can be read")
