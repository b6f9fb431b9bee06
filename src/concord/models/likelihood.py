"""Scoring by a captioner: how likely the decoder finds a text, given an image.

Dimensions: N images, M texts, n x m a tile of them, L text positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from concord.errors import IncompatibleError
from concord.functional.precision import at_least_float32
from concord.images import Preprocess
from concord.models.dual_encoder import DualEncoder
from concord.models.scorer import BUDGET, BaseScorer, Query
from concord.tokenizers import Tokenizer
from concord.types import Embeddings, Features, Tokens

IGNORED = -100
"""Target of the positions that do not count."""


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
        if model.decoder is None:
            raise IncompatibleError("a caption likelihood needs a model with a decoder; choose a captioning model such as method=coca")
        super().__init__(model, preprocess, tokenizer, device, batch_size)
        self.per_token = per_token

    def _keep_image(self, features: Features) -> Embeddings:
        return Embeddings(features.pooled, features.tokens, features.mask)

    def _keep_text(self, tokens: Tokens) -> Embeddings:
        lengths = tokens.mask.sum(dim=1, keepdim=True)
        return Embeddings(lengths, tokens.ids[:, :, None], tokens.mask)

    def _tile(self, images: Embeddings, texts: Embeddings) -> tuple[int, int]:
        assert texts.tokens is not None
        logits = texts.tokens.shape[1] * self.model.text.vocab_size
        pairs = max(1, min(self.batch_size, BUDGET // logits))
        columns = min(len(texts), pairs)
        return pairs // columns, columns

    def _against(self, texts: Embeddings, query: Query) -> Callable[[Embeddings], Tensor]:
        assert texts.tokens is not None
        assert texts.mask is not None
        longest = int(texts.vectors.max())
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
        scores = -losses.sum(dim=1)
        if self.per_token:
            scores = scores / mask[:, 1:].sum(dim=1).clamp(min=1)
        return scores.view(n, m)
