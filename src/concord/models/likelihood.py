"""Scoring by a captioner: how likely the decoder finds a text, given an image, and how much of that the image is good for.

Dimensions: N images, M texts, n x m a tile of them, L text positions, V vocabulary, J images of a bank.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from concord.errors import DataError, IncompatibleError
from concord.functional.precision import at_least_float32
from concord.images import Preprocess
from concord.models.dual_encoder import DualEncoder
from concord.models.scorer import BUDGET, BaseScorer, Query, slices
from concord.tokenizers import Tokenizer
from concord.types import Embeddings, Features, Pair, Tokens

IGNORED = -100
"""Target of the positions that do not count."""

NOISE = (0.5, 0.25)
"""Mean and standard deviation of the pixels of a noise image, in [0, 1]."""


class CaptionLikelihood(BaseScorer):
    """Scores by the decoder: log P(text | image), summed over the tokens after the first (CapPa, Tschannen et al. 2023).

    Of a text it keeps the token ids, of an image its token features. A class's score is the mean over its prompts.

    Args:
        per_token: divide by the number of summed tokens, so that long texts are not punished for their length.

    The other arguments are those of `BaseScorer`.

    Raises:
        IncompatibleError: the model has no caption decoder.
    """

    def __init__(
        self,
        model: DualEncoder,
        preprocess: Preprocess,
        tokenizer: Tokenizer,
        device: torch.device | str | None = None,
        batch_size: int = 256,
        per_token: bool = False,
    ) -> None:
        self.check(model)
        super().__init__(model, preprocess, tokenizer, device, batch_size)
        self.per_token = per_token

    @staticmethod
    def check(model: DualEncoder) -> None:
        """Refuse a model that cannot say how likely a text is.

        Raises:
            IncompatibleError: with the way out.
        """
        if model.decoder is None:
            raise IncompatibleError("a caption likelihood needs a model with a decoder; choose a captioning model such as method=coca")

    def _keep_image(self, features: Features) -> Embeddings:
        return Embeddings(features.pooled, features.tokens, features.mask)

    def _settings(self) -> dict[str, Any]:
        return {"per_token": self.per_token}

    def _keep_text(self, tokens: Tokens) -> Embeddings:
        lengths = tokens.mask.sum(dim=1, keepdim=True)
        return Embeddings(lengths.float(), tokens.ids[:, :, None], tokens.mask)

    def _tile(self, images: Embeddings, texts: Embeddings) -> tuple[int, int]:
        assert texts.tokens is not None
        logits = texts.tokens.shape[1] * self.model.text.vocab_size
        pairs = max(1, min(self.batch_size, BUDGET // logits))
        columns = min(len(texts), pairs)
        return pairs // columns, columns

    def _against(self, texts: Embeddings, query: Query) -> Callable[[Embeddings], Tensor]:
        sums, counts = self._sums(texts), self._counts(texts)
        return lambda images: sums(images) / counts

    def _counts(self, texts: Embeddings) -> Tensor:
        """What the sums are divided by, [m]."""
        assert texts.mask is not None
        words = (texts.mask.sum(dim=1) - 1).clamp(min=1)
        return words if self.per_token else torch.ones_like(words)

    def _sums(self, texts: Embeddings) -> Callable[[Embeddings], Tensor]:
        """A function from a tile of images to log P(text | image), [n, m]; the text tower runs once."""
        assert texts.tokens is not None
        assert texts.mask is not None
        longest = int(texts.mask.sum(dim=1).max())
        tokens = Tokens(texts.tokens[:, :longest, 0], texts.mask[:, :longest])
        features = self.model.text(tokens)
        return lambda images: self._log_likelihood(images, features, tokens)

    def _log_likelihood(self, images: Embeddings, texts: Features, tokens: Tokens) -> Tensor:
        """[n, m]: every pair through the decoder."""
        n, m = len(images), len(tokens.ids)
        i = torch.arange(n, device=tokens.ids.device).repeat_interleave(m)
        j = torch.arange(m, device=tokens.ids.device).repeat(n)
        pictures = images[i]
        assert pictures.tokens is not None
        ids, mask = tokens.ids[j], tokens.mask[j]
        logits = self.model.caption_logits(
            Features(pictures.vectors, pictures.tokens, pictures.mask),
            Features(texts.pooled[j], texts.tokens[j], mask),
            Tokens(ids, mask),
        )
        targets = ids[:, 1:].masked_fill(~mask[:, 1:], IGNORED)
        losses = F.cross_entropy(at_least_float32(logits[:, :-1]).transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
        return -losses.sum(dim=1).view(n, m)


class Bank(Protocol):
    """Numbered examples with images, such as any reader."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair: ...


class DebiasedLikelihood(CaptionLikelihood):
    """Scores by log P(text | image) - alpha * log P(text): a caption that would be said of any image loses what it owes to that.

    P(text) is the mean of P(text | image) over a few images that have nothing to do with the question (VisualGPTScore, Lin et
    al. 2024): drawn from a data set, or noise, which the paper finds to do as well. alpha = 0 is the plain likelihood and
    alpha = 1 the pointwise mutual information. The paper tunes alpha on validation data; where there are none, take it as
    it is and say so.

    Of a text it keeps the token ids and log P(text), which is computed once, when the text is embedded.

    Args:
        alpha: share of the prior that is taken away, at least 0.
        bank: where the images are drawn from; None for noise.
        bank_size: J, how many of them, at least 1. The cost of a text grows with it.
        seed: of the draw.

    The other arguments are those of `CaptionLikelihood`.

    Raises:
        DataError: a bank without an image that can be read.
    """

    def __init__(
        self,
        model: DualEncoder,
        preprocess: Preprocess,
        tokenizer: Tokenizer,
        device: torch.device | str | None = None,
        batch_size: int = 256,
        per_token: bool = False,
        alpha: float = 1.0,
        bank: Bank | None = None,
        bank_size: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__(model, preprocess, tokenizer, device, batch_size, per_token)
        if alpha < 0:
            raise ValueError(f"alpha must be at least 0, got {alpha}")
        if bank_size < 1:
            raise ValueError(f"bank_size must be at least 1, got {bank_size}")
        self.alpha = alpha
        rng = np.random.default_rng(seed)
        self._bank = _noise(rng, bank_size, preprocess.image_size) if bank is None else _draw(rng, bank_size, bank, preprocess)

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "alpha": self.alpha, "bank": blake2b(self._bank.numpy().tobytes(), digest_size=16).hexdigest()}

    def _keep_text(self, tokens: Tokens) -> Embeddings:
        texts = super()._keep_text(tokens)
        return replace(texts, vectors=self._log_prior(texts)[:, None])

    def _against(self, texts: Embeddings, query: Query) -> Callable[[Embeddings], Tensor]:
        likelihood = super()._against(texts, query)
        prior = self.alpha * texts.vectors[:, 0] / self._counts(texts)
        return lambda images: likelihood(images) - prior

    def _log_prior(self, texts: Embeddings) -> Tensor:
        """Log of the mean likelihood over the bank, [m]; tile by tile, as scores are."""
        parts = torch.split(self._bank.to(self.device), self.batch_size)
        bank = Embeddings.cat([self._keep_image(self.model.image(part)) for part in parts])
        rows, columns = self._tile(bank, texts)
        priors = []
        for column in slices(len(texts), columns):
            sums = self._sums(texts[column])
            likelihoods = torch.cat([sums(bank[row]) for row in slices(len(bank), rows)])
            priors.append(likelihoods.logsumexp(dim=0) - math.log(len(bank)))
        return torch.cat(priors)


def _noise(rng: np.random.Generator, count: int, side: int) -> Tensor:
    """[J, 3, side, side] uint8."""
    pixels = rng.normal(*NOISE, (count, 3, side, side)).clip(0, 1)
    return torch.from_numpy((255 * pixels).round().astype(np.uint8))


def _draw(rng: np.random.Generator, count: int, bank: Bank, preprocess: Preprocess) -> Tensor:
    """Images of different examples, [J, 3, side, side] uint8; of all that can be read, where there are no more."""
    drawn: list[Tensor] = []
    for index in rng.permutation(len(bank)).tolist():
        if len(drawn) == count:
            break
        with suppress(DataError):
            drawn.append(preprocess(bank[index].image))
    if not drawn:
        raise DataError(f"bank: none of its {len(bank)} images can be read")
    return torch.stack(drawn)
