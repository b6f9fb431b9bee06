"""The contrastive objective of NegCLIP: wrong captions made from right ones are further candidates.

Dimensions: b pairs on this rank, N pairs on all ranks.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from concord.functional.contrastive import accuracy, info_nce, weighted
from concord.objectives.base import Objective, Step, Terms
from concord.objectives.clip import logits
from concord.objectives.exchange import gather
from concord.types import Embeddings, ImageView, Paper, TextView


class NegCLIP(Objective):
    """CLIP's objective in which images choose among 2N texts: the captions, and the captions with words swapped.

    The swapped captions are candidates for images only; they have no image of their own (Yuksekgonul et al. 2023, section 5).
    Where a caption has nothing to swap, its column is hidden. Differs from the paper: no nearest-neighbour images.

    Args:
        weight: factor in the training loss; this objective takes the place of InfoNCE.
    """

    image_views: Mapping[str, ImageView] = {"image": ImageView("weak")}
    text_views: Mapping[str, TextView] = {"caption": TextView("caption"), "negatives": TextView("swapped")}
    paper = Paper(
        title="When and Why Vision-Language Models Behave like Bags-Of-Words, and What to Do About It?",
        authors="Yuksekgonul et al.",
        year=2023,
        link="https://arxiv.org/abs/2210.01936",
    )
    needs_negatives = True

    def forward(self, step: Step) -> Terms:
        similarity, ranks = step.model.similarity, step.ranks
        images, texts = step.image_embeddings("image"), step.text_embeddings("caption")
        targets = ranks.offset(len(step)) + torch.arange(len(step), device=images.vectors.device)
        # Captions first, so that the column of a match is the same as without negatives.
        candidates = Embeddings.cat([gather(ranks, texts), gather(ranks, step.text_embeddings("negatives"))])
        valid = torch.cat([torch.ones(len(step) * ranks.world, dtype=torch.bool, device=targets.device), _gathered_valid(step)])
        image_rows = logits(similarity, similarity.image_to_text(images, candidates))
        text_rows = logits(similarity, similarity.text_to_image(texts, gather(ranks, images)))
        losses = weighted(info_nce(image_rows, targets, valid=valid), info_nce(text_rows, targets), 0.5)
        logs = {
            "image_to_text_accuracy": accuracy(image_rows.masked_fill(~valid, float("-inf")), targets),
            "text_to_image_accuracy": accuracy(text_rows, targets),
            "negative_accuracy": _negative_accuracy(image_rows.detach(), targets, valid),
        }
        return Terms.mean(losses, logs)


def _gathered_valid(step: Step) -> Tensor:
    """Whether each pair of all ranks has a negative, [N] bool."""
    return step.ranks.gather(step.batch.valid["negatives"].to(torch.uint8)).bool()


def _negative_accuracy(image_rows: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """Share of this rank's valid negatives that score below their own caption, scalar; chance is 1/2."""
    own = image_rows.shape[1] // 2 + targets
    beaten = image_rows.gather(1, targets[:, None]) > image_rows.gather(1, own[:, None])
    counts = valid[own]
    return (beaten.squeeze(1) & counts).sum() / counts.sum().clamp(min=1)
