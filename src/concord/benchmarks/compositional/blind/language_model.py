"""A language model of Hugging Face from a local folder: how likely it finds a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from concord.errors import DataError, MissingExtraError

BATCH = 32
LONGEST = 512
"""Tokens, or fewer where the model reads fewer; what comes later is left out."""


class LanguageModel:
    """The log-likelihood of texts by a causal language model; nothing is fetched, and only safetensors are read.

    Args:
        folder: what `save_pretrained` of a model and of its tokenizer left.
        device: where to compute.

    Raises:
        MissingExtraError: without transformers.
        DataError: for a folder without a causal language model and its tokenizer.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu") -> None:
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError:
            raise MissingExtraError("transformers", "hf") from None
        if not folder.is_dir():
            raise DataError(f"language_model: {folder}: no such folder")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).split("\n")[0]
            raise DataError(f"language_model: {folder} holds no causal language model with its tokenizer ({reason})") from None
        self.model = model.to(device).eval()
        start = self.tokenizer.bos_token_id
        self.start = self.tokenizer.eos_token_id if start is None else start
        if self.start is None:
            raise DataError(f"language_model: the tokenizer of {folder} has no token for the start or the end of a text")
        self.longest = min(LONGEST, getattr(self.model.config, "max_position_embeddings", LONGEST))

    @torch.no_grad()
    def log_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """The log of the probability of each text after the start token, summed over its tokens."""
        rows = [[self.start, *self.tokenizer(text, add_special_tokens=False)["input_ids"][: self.longest - 1]] for text in texts]
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        found = [0.0] * len(rows)
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            for place, value in zip(places, self._batch([rows[place] for place in places]), strict=True):
                found[place] = value
        return found

    def _batch(self, rows: Sequence[Sequence[int]]) -> list[float]:
        longest = max(map(len, rows))
        lengths = torch.tensor([len(row) for row in rows], device=self.model.device)
        ids = torch.tensor([[*row, *[self.start] * (longest - len(row))] for row in rows], device=self.model.device)
        mask = torch.arange(longest, device=self.model.device) < lengths[:, None]  # [B, L]
        logits = self.model(input_ids=ids, attention_mask=mask.long()).logits[:, :-1].float()
        losses = F.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
        return (-(losses.double() * mask[:, 1:]).sum(dim=1)).tolist()
