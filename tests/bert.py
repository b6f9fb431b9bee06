"""A tiny BERT in a folder, as the text towers of medicine are given: its weights, its vocabulary, and nothing from the network."""

from __future__ import annotations

import string
from pathlib import Path

import torch

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""In PubMedBERT's order: CLS and SEP are 2 and 3, where BERT has 101 and 102."""


def write_bert(folder: Path, positions: int = 300, cased: bool = False) -> Path:
    """An encoder of one layer that reads letters one by one, in small letters unless it is cased."""
    import transformers

    letters = string.ascii_letters + string.digits + string.punctuation
    words = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=not cased).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder
