"""Random small models of Hugging Face, with tokenizers and image processors, as their own classes save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from tests.images.pictures import photographs
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer, PreTrainedTokenizerFast, SiglipConfig, SiglipModel
from transformers.models.clip import CLIPImageProcessorPil
from transformers.models.siglip import SiglipImageProcessorPil

WORDS = ["a red box", "it's a small dog's toy", "42 blue balls & 7 stars!!", "größe naïve café", "ein Bild von zwei Hunden", "THE END..."]
TEXTS = [
    *WORDS,
    "",
    "  two   spaces\tand\na tab ",
    "猫の写真 🐈‍⬛",
    "e\u0301 is é",
    "x" * 300,
    " ".join(WORDS * 3),
    "<b>bold</b> &amp; more",
    "\u200bzero\u00a0width",
]
"""Wild ones: empty, white space, other alphabets, combining marks, longer than any context, markup."""

IMAGE_SIZE = 32


def pictures() -> list[Image.Image]:
    """Photographs and noise of odd sides, so that halves of pixels are left over at the centre."""
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)) for height, width in ((32, 39), (51, 32), (20, 47))]
    photos = [Image.open(path).convert("RGB") for path in photographs()]
    return [*noise, *(photo.resize((photo.width // 4, photo.height // 4)) for photo in photos)]


def save_clip(folder: Path, **text: Any) -> CLIPModel:
    """A CLIPModel and its CLIPProcessor."""
    tokenizer = _clip_tokenizer()
    layers = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3}
    words = {**layers, "vocab_size": len(tokenizer), "max_position_embeddings": 20, "eos_token_id": tokenizer.eos_token_id, **text}
    vision = {**layers, "hidden_size": 32, "num_attention_heads": 4, "image_size": IMAGE_SIZE, "patch_size": 8}
    model = randomised(CLIPModel(CLIPConfig(text_config=words, vision_config=vision, projection_dim=16)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _clip_images().save_pretrained(folder)
    return model


def save_siglip(folder: Path, **vision: Any) -> SiglipModel:
    """A SiglipModel, a tokenizer that pads, and its image processor."""
    tokenizer = _word_tokenizer()
    layers = {"hidden_size": 24, "intermediate_size": 43, "num_hidden_layers": 2, "num_attention_heads": 3}
    words = {**layers, "vocab_size": len(tokenizer), "max_position_embeddings": 12, "projection_size": 24}
    sees = {**layers, "image_size": IMAGE_SIZE, "patch_size": 8, **vision}
    model = randomised(SiglipModel(SiglipConfig(text_config=words, vision_config=sees)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _siglip_images().save_pretrained(folder)
    return model


def clip_features(folder: Path) -> tuple[Tensor, Tensor]:
    """What transformers makes of the pictures and the texts, from the files of a folder alone: unit vectors."""
    return _features(folder, CLIPModel, CLIPImageProcessorPil, padding=True)


def siglip_features(folder: Path) -> tuple[Tensor, Tensor]:
    """The same for SigLIP, with every text filled up as its authors say."""
    return _features(folder, SiglipModel, SiglipImageProcessorPil, padding="max_length")


@torch.no_grad()
def randomised(model: Any) -> Any:
    """Every weight random, norms and biases too, so that none can be forgotten."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if name == "logit_scale":
            parameter.fill_(2.0)
        elif name == "logit_bias":
            parameter.fill_(-3.0)
        else:
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator) + ("norm" in name) * name.endswith("weight"))
    return model.eval()


@torch.no_grad()
def _features(folder: Path, kind: Any, images: Any, padding: Any) -> tuple[Tensor, Tensor]:
    model, tokenizer = kind.from_pretrained(folder).eval(), transformers.AutoTokenizer.from_pretrained(folder)
    longest = model.config.text_config.max_position_embeddings
    pixels = images.from_pretrained(folder)(images=pictures(), return_tensors="pt")["pixel_values"]
    ids = tokenizer(TEXTS, padding=padding, truncation=True, max_length=longest, return_tensors="pt")["input_ids"]
    found = model.get_image_features(pixel_values=pixels), model.get_text_features(input_ids=ids)
    vectors = [part if isinstance(part, Tensor) else part.pooler_output for part in found]
    return nn.functional.normalize(vectors[0], dim=-1), nn.functional.normalize(vectors[1], dim=-1)


def _clip_images() -> CLIPImageProcessorPil:
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return CLIPImageProcessorPil(size={"shortest_edge": IMAGE_SIZE}, crop_size=size, image_mean=[0.4, 0.5, 0.6])


def _siglip_images() -> SiglipImageProcessorPil:
    return SiglipImageProcessorPil(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE}, resample=2)


def _clip_tokenizer() -> CLIPTokenizer:
    """CLIP's own class, with merges learned from a few words."""
    engine = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    engine.normalizer = normalizers.Lowercase()
    engine.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    engine.train_from_iterator(WORDS, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, end_of_word_suffix="</w>"))
    learned = engine.to_str()
    state = __import__("json").loads(learned)["model"]
    vocab: dict[str, int] = {symbol: index for index, symbol in enumerate(sorted(alphabet))}
    for symbol in [*(letter + "</w>" for letter in sorted(alphabet)), *("".join(merge) for merge in state["merges"])]:
        vocab.setdefault(symbol, len(vocab))
    vocab |= {"<|startoftext|>": len(vocab), "<|endoftext|>": len(vocab) + 1}
    return CLIPTokenizer(vocab=vocab, merges=[tuple(merge) for merge in state["merges"]])


def _word_tokenizer() -> PreTrainedTokenizerFast:
    """Lower-case words with </s> at the end, which pads too, as SigLIP has it."""
    engine = Tokenizer(models.WordLevel(unk_token="<unk>"))
    engine.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    engine.decoder = decoders.Metaspace()
    engine.train_from_iterator(WORDS, trainers.WordLevelTrainer(special_tokens=["<unk>", "</s>"]))
    engine.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=engine, eos_token="</s>", pad_token="</s>", unk_token="<unk>")
