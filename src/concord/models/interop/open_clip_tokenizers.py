"""The tokenizers of OpenCLIP's models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers.processors import TemplateProcessing

from concord.errors import CheckpointError, IncompatibleError, MissingExtraError
from concord.tokenizers import Cleaning, CLIPTokenizer, HFTokenizer, Tokenizer

CLEANINGS: dict[str, Cleaning] = {"lower": "clip", "whitespace": "repair", "canonicalize": "canonical"}
"""By OpenCLIP's names, ours."""

CLIP_VOCABULARY = "7d67b0b4333b538f717441c0c52897aa"
"""Digest of CLIP's tokens in the order of their ids, one a line."""

MERGES = ("merges.txt", "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt")
"""Names under which CLIP's vocabulary is handed on."""


def make_tokenizer(text: Mapping[str, Any], folder: Path | None) -> Tokenizer:
    """The tokenizer that a text configuration asks for.

    Args:
        text: OpenCLIP's text_cfg.
        folder: where its files may lie. Else CLIP's vocabulary is taken from OpenCLIP, any other from the Hugging Face hub.

    Raises:
        CheckpointError: for options that our tokenizers do not have.
        MissingExtraError: where a package is needed for its files and not installed.
    """
    options = dict(text.get("tokenizer_kwargs") or {})
    name = text.get("hf_tokenizer_name")
    cleaning = options.pop("clean", "whitespace" if name else "lower")
    if text.get("tokenizer_mode") or any(options.values()) or cleaning not in CLEANINGS:
        raise CheckpointError(f"text_cfg.tokenizer_kwargs={text.get('tokenizer_kwargs')}: this way of making tokens is not supported")
    length = text.get("context_length", 77)
    if not name:
        return CLIPTokenizer(clip_merges(folder), length, CLEANINGS[cleaning])
    local = folder is not None and (folder / "tokenizer_config.json").is_file()
    return HFTokenizer(str(folder) if local else str(name), length, CLEANINGS[cleaning])


def clip_merges(folder: Path | None) -> Path:
    """The file of CLIP's vocabulary: in the folder, or else in OpenCLIP's package.

    Raises:
        MissingExtraError: where it is in neither.
    """
    package = find_spec("open_clip")
    folders = [folder] if folder is not None else []
    folders += [Path(place) for place in (package.submodule_search_locations or [])] if package is not None else []
    found = next((place / name for place in folders for name in MERGES if (place / name).is_file()), None)
    if found is None:
        raise MissingExtraError("open_clip_torch", "open_clip")
    return found


def write_tokenizer(tokenizer: Tokenizer, sees_padding: bool, folder: Path) -> dict[str, Any]:
    """Write what OpenCLIP needs to make the same tokens, and return what its text_cfg must say of it.

    CLIP's own tokenizer needs no files. Any other is written as the Hugging Face tokenizer that it is, which OpenCLIP loads with
    transformers. OpenCLIP cleans captions in one of three ways; of ours, "none" and "lower" come out as the nearest of them.

    Raises:
        IncompatibleError: for padding or special tokens that OpenCLIP cannot have.
    """
    names = {"clip": "lower", "lower": "lower", "repair": "whitespace", "none": "whitespace", "canonical": "canonicalize"}
    cleaning = names[tokenizer.cleaning]
    if _is_clip(tokenizer):
        return {} if cleaning == "lower" else {"tokenizer_kwargs": {"clean": cleaning}}
    if tokenizer.suffix[-1] in [*tokenizer.prefix, *tokenizer.suffix[:-1]]:
        raise IncompatibleError("OpenCLIP finds the end of a caption by its first end token, and this tokenizer has several")
    if sees_padding and not _pads_with_special(tokenizer):
        raise IncompatibleError("the text tower sees padding, and this tokenizer pads with an ordinary token, which OpenCLIP cannot")
    write_hf_tokenizer(tokenizer, folder)
    # With "local-dir:" OpenCLIP looks beside the configuration, whatever the name.
    return {"hf_tokenizer_name": folder.resolve().name, "tokenizer_kwargs": {"clean": cleaning}}


def write_hf_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """tokenizer.json and tokenizer_config.json, as transformers' AutoTokenizer reads them; the cleaning is not part of them.

    There a padding token cannot be a word as well: where ours is one, the end token pads.
    """
    engine: Any = tokenizers.Tokenizer.from_str(tokenizer.engine.to_str())
    before, after = ([engine.id_to_token(token) for token in ids] for ids in (tokenizer.prefix, tokenizer.suffix))
    special = [(name, engine.token_to_id(name)) for name in dict.fromkeys([*before, *after])]
    engine.post_processor = TemplateProcessing(single=[*before, "$A", *after], pair=None, special_tokens=special)
    engine.save(str(folder / "tokenizer.json"))
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": after[-1],
        "pad_token": engine.id_to_token(tokenizer.pad_id if _pads_with_special(tokenizer) else tokenizer.suffix[-1]),
        "model_max_length": tokenizer.context_length,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")


def _pads_with_special(tokenizer: Tokenizer) -> bool:
    special = tokenizer.engine.get_added_tokens_decoder()
    return tokenizer.pad_id in special or tokenizer.pad_id in (*tokenizer.prefix, *tokenizer.suffix)


def _is_clip(tokenizer: Tokenizer) -> bool:
    vocabulary = tokenizer.engine.get_vocab()
    listing = "\n".join(sorted(vocabulary, key=vocabulary.__getitem__))
    frame = (tokenizer.prefix, tokenizer.suffix, tokenizer.pad_id)
    return frame == ([49406], [49407], 0) and blake2b(listing.encode(), digest_size=16).hexdigest() == CLIP_VOCABULARY
