"""Our tokenizers as files that transformers reads."""

from __future__ import annotations

from pathlib import Path

import tokenizers
from tokenizers import Regex, normalizers

from concord.errors import IncompatibleError
from concord.files import write_json
from concord.models.interop.hugging_face_processing import TOKENIZER_CONFIG, read_json
from concord.models.interop.open_clip_tokenizers import write_hf_tokenizer
from concord.tokenizers import Cleaning, Tokenizer

_SPACES = [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
_PUNCTUATION = [normalizers.Replace("_", " "), normalizers.Replace(Regex(r"[!-/:-@\[-^`{-~]"), "")]

_NORMALIZERS: dict[Cleaning, list[normalizers.Normalizer]] = {
    "none": [],
    "lower": [normalizers.Lowercase()],
    "repair": _SPACES,
    "clip": [*_SPACES, normalizers.Lowercase()],
    "canonical": [*_PUNCTUATION, *_SPACES, normalizers.Lowercase()],
}
"""What comes nearest to our cleaning: encodings are not repaired and HTML is not unescaped."""


def write_tokenizer(tokenizer: Tokenizer, processor: str, folder: Path) -> int:
    """Write tokenizer.json, its cleaning and special tokens in it, and tokenizer_config.json.

    Args:
        tokenizer: ours.
        processor: name of the class that brings it together with the pictures.
        folder: where to write.

    Returns:
        The id that pads there: ours, or that of the end token where ours is a word as well.
    """
    engine = tokenizers.Tokenizer.from_str(tokenizer.engine.to_str())
    engine.add_special_tokens([engine.id_to_token(token) for token in dict.fromkeys([*tokenizer.prefix, *tokenizer.suffix])])
    cleaning = [*_NORMALIZERS[tokenizer.cleaning], *([engine.normalizer] if engine.normalizer is not None else [])]
    if cleaning:
        engine.normalizer = normalizers.Sequence(cleaning)
    write_hf_tokenizer(Tokenizer(engine, tokenizer.prefix, tokenizer.suffix, tokenizer.pad_id, tokenizer.context_length, "none"), folder)
    settings = read_json(folder / TOKENIZER_CONFIG)
    inputs = ["input_ids"] if processor == "SiglipProcessor" else ["input_ids", "attention_mask"]
    write_json(folder / TOKENIZER_CONFIG, {**settings, "processor_class": processor, "padding_side": "right", "model_input_names": inputs})
    return tokenizer.pad_id if settings["pad_token"] == engine.id_to_token(tokenizer.pad_id) else tokenizer.end_id


def exchange(tokenizer: Tokenizer, first: int, second: int) -> Tokenizer:
    """The same tokenizer with two of its ids exchanged.

    Raises:
        IncompatibleError: a vocabulary whose ids cannot be exchanged.
    """
    new = {first: second, second: first}
    state = tokenizer.to_dict()
    vocabulary = state["engine"]["model"].get("vocab")
    if not isinstance(vocabulary, dict):
        raise IncompatibleError(f"a tokenizer whose end token has the id {first} cannot be written for CLIP of transformers")
    state["engine"]["model"]["vocab"] = {name: new.get(number, number) for name, number in vocabulary.items()}
    for token in state["engine"]["added_tokens"]:
        token["id"] = new.get(token["id"], token["id"])
    for frame in ("prefix", "suffix"):
        state[frame] = [new.get(number, number) for number in state[frame]]
    state["pad_id"] = new.get(state["pad_id"], state["pad_id"])
    return Tokenizer.from_dict(state)
