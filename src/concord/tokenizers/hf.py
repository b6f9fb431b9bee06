"""Any tokenizer of the Hugging Face hub or of a local folder."""

from __future__ import annotations

import os
from typing import Any

import tokenizers

from concord.errors import ConfigError, MissingExtraError
from concord.tokenizers.base import Tokenizer
from concord.tokenizers.cleaning import Cleaning


class HFTokenizer(Tokenizer):
    """A Hugging Face tokenizer with the special tokens that its own model expects around a text.

    Where it puts nothing behind a text (GPT-2), its end-of-sequence token is added; where it has no padding, that pads.

    Args:
        name: a model on the hub, such as "FacebookAI/roberta-base", or a local folder.
        context_length: the most tokens of a caption, special ones included.
        cleaning: what is done to a caption first, before the tokenizer's own normalisation.

    Raises:
        MissingExtraError: where transformers is not installed.
        ConfigError: where there is no such tokenizer, or it has no end token.
    """

    def __init__(self, name: str, context_length: int = 77, cleaning: Cleaning = "none") -> None:
        source = _from_pretrained(name)
        engine = tokenizers.Tokenizer.from_str(source.backend_tokenizer.to_str())
        engine.no_padding()
        engine.no_truncation()
        prefix, suffix = frame(engine)
        if not suffix:
            prefix = prefix or [value for value in (source.bos_token_id,) if value is not None]
            suffix = [value for value in (source.eos_token_id, source.sep_token_id) if value is not None][:1]
        if not suffix:
            raise ConfigError(f"tokenizer {name} has no end-of-sequence token; choose one that has")
        pad_id = source.pad_token_id if source.pad_token_id is not None else suffix[-1]
        super().__init__(engine, prefix, suffix, pad_id, context_length, cleaning)


def _from_pretrained(name: str) -> Any:
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise MissingExtraError("transformers", "hf") from None
    if os.path.basename(name) == "" and not os.path.isdir(name):  # which transformers takes for the name of a repository
        raise ConfigError(f"cannot load tokenizer {name}: no such folder")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except Exception as error:  # hub, network, file and format errors share no class
        cause = str(error).strip().split("\n")[0]
        raise ConfigError(f"cannot load tokenizer {name}: {cause}") from None
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ConfigError(f"tokenizer {name} has no fast version; choose one that has a tokenizer.json")
    return tokenizer


def frame(engine: tokenizers.Tokenizer) -> tuple[list[int], list[int]]:
    """The special ids that the tokenizer puts before and after a text."""
    encoding = engine.encode("a")
    special = encoding.special_tokens_mask
    if all(special):
        return [], []
    first = special.index(0)
    last = len(special) - special[::-1].index(0)
    return encoding.ids[:first], encoding.ids[last:]
