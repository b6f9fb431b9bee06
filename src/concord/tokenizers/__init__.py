"""Captions to token ids."""

from concord.tokenizers.base import Tokenizer
from concord.tokenizers.bpe import BPETokenizer
from concord.tokenizers.cleaning import Cleaning, clean
from concord.tokenizers.clip import CLIPTokenizer
from concord.tokenizers.hf import HFTokenizer

__all__ = ["BPETokenizer", "CLIPTokenizer", "Cleaning", "HFTokenizer", "Tokenizer", "clean"]
