"""Byte-level byte-pair encoding, learned from the captions of the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from concord.tokenizers.base import Tokenizer
from concord.tokenizers.cleaning import Cleaning, clean

PAD, START, END = "<pad>", "<start_of_text>", "<end_of_text>"
SMALLEST = 256 + 3
"""Every byte and the special tokens, so that no caption is out of vocabulary."""


class BPETokenizer(Tokenizer):
    """Byte-level BPE (Sennrich et al. 2016; bytes as in Radford et al. 2019), to be trained on captions before use.

    The vocabulary is a function of the set of captions: neither their order nor the number of threads matters.

    Args:
        vocab_size: the most ids to learn, at least 259; few captions give fewer.
        context_length: the most tokens of a caption, start and end included.
        cleaning: what is done to a caption first.
        min_frequency: how often two neighbours must be seen to become one token.
    """

    def __init__(self, vocab_size: int = 8192, context_length: int = 77, cleaning: Cleaning = "lower", min_frequency: int = 2) -> None:
        if vocab_size < SMALLEST:
            raise ValueError(f"vocab_size must be at least {SMALLEST}, got {vocab_size}")
        if min_frequency < 1:
            raise ValueError(f"min_frequency must be at least 1, got {min_frequency}")
        super().__init__(_byte_engine(), prefix=[1], suffix=[2], pad_id=0, context_length=context_length, cleaning=cleaning)
        self.largest = vocab_size
        self.min_frequency = min_frequency
        self._trained = False

    @property
    def needs_training(self) -> bool:
        return not self._trained

    def train(self, captions: Iterable[str]) -> Self:
        """Learn the vocabulary from an iterable of captions, replacing what was learned before.

        Raises:
            ValueError: where there is no caption.
        """
        count = 0

        def cleaned() -> Iterator[str]:
            nonlocal count
            for caption in captions:
                count += 1
                yield clean(caption, self.cleaning)

        engine = _byte_engine()
        engine.train_from_iterator(cleaned(), trainer=_trainer(self.largest, self.min_frequency))
        if count == 0:
            raise ValueError("captions must hold at least one caption to learn a vocabulary from, got none")
        self.engine = engine
        self._trained = True
        return self

    def _encode(self, texts: Sequence[str]) -> list[tokenizers.Encoding]:
        if self.needs_training:
            raise RuntimeError("this tokenizer has no vocabulary yet; call train(captions) first")
        return super()._encode(texts)


def _byte_engine() -> tokenizers.Tokenizer:
    """Knows every byte and no merge."""
    names = [PAD, START, END, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    engine = tokenizers.Tokenizer(models.BPE(vocab={name: index for index, name in enumerate(names)}, merges=[]))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    engine.decoder = decoders.ByteLevel()
    return engine


def _trainer(vocab_size: int, min_frequency: int) -> trainers.BpeTrainer:
    return trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
