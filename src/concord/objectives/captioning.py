"""Captioning: the text decoder writes the caption from the image."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from concord.errors import IncompatibleError
from concord.functional.captioning import IGNORED, correct_tokens, next_token_cross_entropy, next_tokens
from concord.models.dual_encoder import DualEncoder
from concord.objectives.base import Objective, Step, Terms
from concord.types import Features, ImageView, Paper, TextView, Tokens


class Captioning(Objective):
    """Predict each token of the caption from the image and the tokens before it (CoCa, eq. 4).

    The loss is the mean over the tokens of the global batch, so that long captions weigh the same on every rank.

    Args:
        weight: factor in the training loss; CoCa takes 2 beside 1 for the contrastive term.
    """

    image_views: Mapping[str, ImageView] = {"image": ImageView("weak")}
    text_views: Mapping[str, TextView] = {"caption": TextView("caption")}
    paper = Paper(
        title="CoCa: Contrastive Captioners are Image-Text Foundation Models",
        authors="Yu et al.",
        year=2022,
        link="arXiv:2205.01917",
    )

    def __init__(self, weight: float = 2.0) -> None:
        super().__init__(weight)

    def check(self, model: DualEncoder) -> None:
        if model.decoder is None:
            raise IncompatibleError(
                "captioning needs a model with a caption decoder; use method=coca, or add one with +captioner@model=coca"
            )
        if not getattr(model.text, "causal", False):
            raise IncompatibleError("captioning needs a causal text tower, or each token sees the next one; use text.pooling=class or end")

    def forward(self, step: Step) -> Terms:
        tokens = step.tokens("caption")
        targets = next_tokens(tokens.ids, tokens.mask)

        def write(image: Features, text: Features, tokens: Tokens, targets: Tensor) -> tuple[Tensor, Tensor]:
            """The [b, L, V] scores live in here: they are more than all features."""
            logits = step.model.caption_logits(image, text, tokens)
            return next_token_cross_entropy(logits, targets), correct_tokens(logits.detach(), targets)

        sums, correct = step.in_pieces(write, step.image("image"), step.text("caption"), tokens, targets)
        # Ranks hold different numbers of tokens: each divides by the mean count, so that the mean over ranks is the global mean.
        lengths = (targets != IGNORED).sum(dim=1)
        count: Tensor = step.ranks.mean(lengths.sum().to(sums.dtype)).clamp(min=1)
        logs = {"accuracy": correct.sum() / count}
        return Terms(sums.sum() / count, logs, examples=sums.detach() / lengths.clamp(min=1), weights=lengths)
