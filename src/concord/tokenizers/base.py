"""Captions to token ids: one tokenizer for all vocabularies, that travels inside a checkpoint as plain JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Loader workers tokenise side by side already, and the library's threads do not survive a fork. Set before it is imported.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import tokenizers

from concord.tokenizers.cleaning import CLEANINGS, Cleaning, clean
from concord.types import Tokens

MULTIPLE = 8
"""Lengths are rounded up to a multiple of this, the tile of tensor cores."""


class Tokenizer:
    """Captions to padded token ids, with a start and an end token around each.

    The subclasses differ in where the vocabulary comes from; a tokenizer read back from a checkpoint is a plain `Tokenizer`.

    Args:
        engine: the vocabulary and its rules; it adds no special tokens, pads nothing and cuts nothing.
        prefix, suffix: ids put before and after every caption. The suffix ends with the end token and survives truncation.
        pad_id: id that fills the rest of a row. It may be a word's id as well: the mask says what is padding.
        context_length: the most tokens of a caption, prefix and suffix included.
        cleaning: what is done to a caption first.

    Attributes:
        seen, truncated: captions this object has met, and those of them that were cut.
    """

    def __init__(
        self,
        engine: tokenizers.Tokenizer,
        prefix: Sequence[int],
        suffix: Sequence[int],
        pad_id: int,
        context_length: int,
        cleaning: Cleaning,
    ) -> None:
        if len(suffix) == 0:
            raise ValueError("suffix must hold the end token, got nothing")
        if context_length <= len(prefix) + len(suffix):
            raise ValueError(f"context_length must be above {len(prefix) + len(suffix)}, got {context_length}")
        if cleaning not in CLEANINGS:
            raise ValueError(f"cleaning must be one of {', '.join(CLEANINGS)}, got {cleaning!r}")
        self.engine = engine
        self.prefix = list(prefix)
        self.suffix = list(suffix)
        self.pad_id = pad_id
        self.context_length = context_length
        self.cleaning: Cleaning = cleaning
        self.seen = 0
        self.truncated = 0
        _check_ids([*self.prefix, *self.suffix, pad_id], self.vocab_size)

    @property
    def vocab_size(self) -> int:
        """How many ids there are, special ones included: the rows of an embedding table that fits."""
        return self.engine.get_vocab_size(with_added_tokens=True)

    @property
    def start_id(self) -> int | None:
        """Id of the first token of every caption; None for vocabularies that have no such token (T5)."""
        return self.prefix[0] if self.prefix else None

    @property
    def end_id(self) -> int:
        """Id of the last token of every caption."""
        return self.suffix[-1]

    @property
    def needs_training(self) -> bool:
        """Whether a vocabulary must be learned before the first caption can be read."""
        return False

    @property
    def truncated_share(self) -> float:
        """Share of the captions met that were cut."""
        return self.truncated / max(self.seen, 1)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokens [M, L] of M captions; L is the longest of them rounded up to a multiple of 8, at most the context length."""
        if isinstance(texts, str):
            raise TypeError("texts must be a list of captions, got one string")
        rows = [self._row(encoding.ids) for encoding in self._encode(texts)]
        longest = max((len(row) for row in rows), default=0)
        length = min(-(-longest // MULTIPLE) * MULTIPLE, self.context_length)
        ids = np.full((len(rows), length), self.pad_id, dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        mask = np.arange(length) < lengths[:, None]
        return Tokens(torch.from_numpy(ids), torch.from_numpy(mask))

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each caption, start and end included, before anything is cut to the context length."""
        frame = len(self.prefix) + len(self.suffix)
        return [frame + len(encoding.ids) for encoding in self._encode(texts)]

    def decode(self, ids: Sequence[int] | Tensor) -> str:
        """The text of one row of ids up to its first end token, cleaned as it went in, without surrounding white space."""
        words = ids.tolist() if isinstance(ids, Tensor) else list(ids)
        while words and words[0] in self.prefix:
            words.pop(0)
        end = words.index(self.suffix[0]) if self.suffix[0] in words else len(words)
        return self.engine.decode(words[:end], skip_special_tokens=True).strip()

    def to_dict(self) -> dict[str, Any]:
        """Everything there is to know, as plain JSON values."""
        return {
            "prefix": self.prefix,
            "suffix": self.suffix,
            "pad_id": self.pad_id,
            "context_length": self.context_length,
            "cleaning": self.cleaning,
            "engine": json.loads(self.engine.to_str()),
        }

    @staticmethod
    def from_dict(state: Mapping[str, Any]) -> Tokenizer:
        """The tokenizer that `to_dict` described.

        Raises:
            ValueError: for a description that is not one.
        """
        try:
            engine = tokenizers.Tokenizer.from_str(json.dumps(state["engine"]))
        except Exception as error:  # the library raises the bare class
            raise ValueError(f"not a tokenizer: {error}") from None
        return Tokenizer(engine, **{key: value for key, value in state.items() if key != "engine"})

    def save(self, path: str | Path) -> None:
        """Write a JSON file that `load` reads."""
        Path(path).write_text(json.dumps(self.to_dict(), ensure_ascii=False), encoding="utf-8")

    @staticmethod
    def load(path: str | Path) -> Tokenizer:
        """The tokenizer in a file that `save` wrote.

        Raises:
            OSError: where there is no such file.
            ValueError: where it holds something else.
        """
        return Tokenizer.from_dict(json.loads(Path(path).read_text(encoding="utf-8")))

    def _encode(self, texts: Sequence[str]) -> list[tokenizers.Encoding]:
        cleaned = [clean(text, self.cleaning) for text in texts]
        # A caption that spells out "</s>" must not end itself. Set here since neither JSON nor pickle keeps it.
        self.engine.encode_special_tokens = True
        return self.engine.encode_batch_fast(cleaned, add_special_tokens=False)

    def _row(self, words: list[int]) -> list[int]:
        room = self.context_length - len(self.prefix) - len(self.suffix)
        self.seen += 1
        self.truncated += len(words) > room
        return [*self.prefix, *words[:room], *self.suffix]


def _check_ids(ids: Sequence[int], vocab_size: int) -> None:
    for value in ids:
        if not 0 <= value < vocab_size:
            raise ValueError(f"special ids must lie in [0, {vocab_size}), got {value}")
