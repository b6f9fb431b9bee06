"""Small models of OpenCLIP with weights that are not at their start, each in a folder as its own `local-dir:` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import timm
import tokenizers
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images
from timm.models import ByobNet, VisionTransformer, byobnet, register_model, vision_transformer
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn

from concord.models.interop import open_clip_spec

TEXTS = [
    "a photo of a temple",
    "A  RED flower &amp; its leaves, schÃ¶n!",
    "",
    "!",
    "?!!? ☃ 日本語 __init__ it's 3 o'clock",
    "a very long caption about two dogs and a frisbee " * 12,
]

_TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
_VISION = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 16}
_COCA_TEXT = {"context_length": 20, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
_SIGLIP_TEXT = {
    "context_length": 16,
    "vocab_size": 400,
    "hf_tokenizer_name": "tiny",
    "tokenizer_kwargs": {"clean": "canonicalize"},
    "width": 32,
    "heads": 2,
    "layers": 2,
    "no_causal_mask": True,
    "proj_bias": True,
    "pool_type": "last",
    "norm_kwargs": {"eps": 1e-6},
}

CONFIGS: dict[str, dict[str, Any]] = {
    "clip": {"embed_dim": 24, "vision_cfg": _VISION, "text_cfg": _TEXT},
    "quick_gelu": {"embed_dim": 24, "quick_gelu": True, "vision_cfg": {**_VISION, "ls_init_value": 0.1}, "text_cfg": _TEXT},
    "clipa": {
        "embed_dim": 24,
        "vision_cfg": {**_VISION, "no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True, "mlp_ratio": 3.3},
        "text_cfg": {**_TEXT, "mlp_ratio": 3.7},
    },
    "resnet": {
        "embed_dim": 24,
        "quick_gelu": True,
        "vision_cfg": {"image_size": 64, "layers": [1, 2, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": _TEXT,
    },
    "siglip": {
        "embed_dim": 32,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 32,
            "timm_model_name": "vit_interop_siglip",
            "timm_model_pretrained": False,
            "timm_pool": "map",
            "timm_proj": "none",
        },
        "text_cfg": _SIGLIP_TEXT,
    },
    "convnext": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 64, "timm_model_name": "test_convnext", "timm_pool": "", "timm_proj": "mlp"},
        "text_cfg": _TEXT,
    },
    "timm_token": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": None},
        "text_cfg": _TEXT,
    },
    "coca": {
        "embed_dim": 32,
        "custom_text": True,
        "vision_cfg": {**_VISION, "attentional_pool": True, "attn_pooler_heads": 4, "attn_pooler_queries": 9, "output_tokens": True},
        "text_cfg": {**_COCA_TEXT, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**_COCA_TEXT, "attn_pooler_heads": 4},
    },
    "coca_same_width": {
        "embed_dim": 64,
        "custom_text": True,
        "vision_cfg": {**_VISION, "attentional_pool": True, "attn_pooler_queries": 5, "output_tokens": True},
        "text_cfg": {**_COCA_TEXT, "width": 64, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**_COCA_TEXT, "width": 64},
    },
}
PREPROCESS = {"siglip": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}}


@cache
def pictures() -> list[Image.Image]:
    """Two photographs, as they are and in shapes that round differently, and one in grey."""
    china, flower = (Image.fromarray(array) for array in load_sample_images().images)
    shapes = [china.crop((0, 0, 333, 417)), flower.crop((100, 50, 151, 99)), china.resize((31, 200))]
    return [china, flower, *shapes, flower.convert("L")]


@cache
def register_small_models() -> None:
    """Models of timm, too small to be published, under names of their own."""
    vision_transformer.default_cfgs["vit_interop_siglip"] = vision_transformer.generate_default_cfgs(
        {"vit_interop_siglip": vision_transformer._cfg(input_size=(3, 32, 32))}
    )["vit_interop_siglip"]
    byobnet.default_cfgs["resnet_interop_clip"] = byobnet.generate_default_cfgs(
        {"resnet_interop_clip": byobnet._cfgr(fixed_input_size=True, input_size=(3, 64, 64), classifier="head.proj")}
    )["resnet_interop_clip"]
    shape = byobnet.model_cfgs["resnet50_clip"]
    blocks = [byobnet.ByoBlockCfg("bottle", d=d, c=c, s=s, br=0.25) for d, c, s in ((1, 32, 1), (2, 64, 2), (1, 128, 2), (1, 256, 2))]
    byobnet.model_cfgs["resnet_interop_clip"] = byobnet.replace(shape, blocks=tuple(blocks), stem_chs=(4, 4, 8))

    def vit_interop_siglip(pretrained: bool = False, **options: Any) -> VisionTransformer:
        sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
        arguments = {**sizes, "class_token": False, "global_pool": "map", **options}
        return vision_transformer._create_vision_transformer("vit_interop_siglip", pretrained=pretrained, **arguments)

    def resnet_interop_clip(pretrained: bool = False, **options: Any) -> ByobNet:
        return byobnet._create_byobnet("resnet_interop_clip", pretrained=pretrained, **options)

    for function, module in ((vit_interop_siglip, vision_transformer), (resnet_interop_clip, byobnet)):
        function.__module__ = module.__name__
        register_model(function)
    open_clip_spec.RESNETS[(1, 2, 1, 1), 8] = "resnet_interop_clip"
    assert timm.is_model("vit_interop_siglip")


def make_folder(name: str, folder: Path) -> Path:
    """One of CONFIGS with random weights."""
    register_small_models()
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIGS[name]
    write_config(config, PREPROCESS.get(name, {}), folder)
    if "hf_tokenizer_name" in config["text_cfg"]:
        write_sentence_pieces(folder)
    save_file({key: value.contiguous() for key, value in random_model(folder).state_dict().items()}, folder / "open_clip_model.safetensors")
    return folder


def write_config(config: Mapping[str, Any], preprocess: Mapping[str, Any], folder: Path) -> None:
    text = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")


def random_model(folder: Path) -> Any:
    torch.manual_seed(0)
    model: Any = open_clip.create_model(f"local-dir:{folder}").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("text_decoder.") and name.endswith("text_projection"):
                parameter.zero_()  # OpenCLIP leaves it as the memory was found, which may be any number
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values in (module.weight, module.running_var):
                    values.uniform_(0.5, 2.0)
                module.running_mean.normal_(std=0.1)
        model.logit_scale.fill_(4.7)  # above CLIP's bound, as SigLIP's is
    return model


def write_sentence_pieces(folder: Path) -> None:
    """A tokenizer like T5's and SigLIP's: sentence pieces, an end token that pads too, nothing in front."""
    engine = tokenizers.Tokenizer(models.Unigram())
    engine.normalizer = normalizers.NFKC()
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    engine.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False)
    engine.train_from_iterator(TEXTS * 3, trainer)
    engine.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    engine.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about), encoding="utf-8")


@torch.no_grad()
def embed(folder: Path, texts: list[str]) -> tuple[Tensor, Tensor, Tensor]:
    """What OpenCLIP makes of the pictures and of texts with its own transforms and tokenizer: both embeddings, and logits."""
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    images = F.normalize(model.encode_image(torch.stack([transform(picture) for picture in pictures()])), dim=-1)  # type: ignore[operator, misc]
    words = F.normalize(model.encode_text(tokenize(texts)), dim=-1)  # type: ignore[operator]
    bias = getattr(model, "logit_bias", None)
    logits = model.logit_scale.exp() * images @ words.T + (0 if bias is None else bias)  # type: ignore[operator]
    return images, words, logits
