"""Symmetric InfoNCE, the objective of CLIP, ALIGN and ConVIRT.

Dimensions: b pairs on this rank, N pairs on all ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.functional.contrastive import accuracy, info_nce, weighted
from concord.functional.kin import Kin, Treatment
from concord.functional.tiled import tiled_bidirectional_info_nce, tiled_info_nce
from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import Similarity
from concord.objectives.base import Objective, Step, Terms
from concord.objectives.exchange import gather
from concord.objectives.groups import Block, Groups
from concord.objectives.kin import Kinship, share_with_kin
from concord.types import Embeddings, ImageView, Paper, TextView


class InfoNCE(Objective):
    """Each image picks its text among all texts of the global batch, and each text its image (CLIP, section 2.3).

    With label smoothing it is ALIGN's loss (up to ALIGN's factor of 2); with sentences and a weight of 0.75 it is ConVIRT's.

    Args:
        weight: factor in the training loss.
        label_smoothing: share of the target's probability that is spread over all N candidates, in [0, 1); ALIGN has 0.1.
        image_to_text_weight: share of the image-to-text direction, in [0, 1]; CLIP has 0.5, ConVIRT 0.75.
        text_view: "caption" or "sentence" (one sentence drawn from the caption).
        tile: side of the tiles in which the logits are computed, so that memory does not grow with the square of the batch;
            None computes them at once. Inner-product similarities only.
        same_text, same_study: what pairs are to one another whose texts say the same, and pairs of one study: "negatives" as in
            CLIP, "masked" out of each other's sight, or "positives", at all of which a row aims alike (see `info_nce`).
        group, group_until: compare pairs within groups of this many neighbours of the global batch until this share of training is
            done, see `concord.objectives.groups.Groups`; None for the whole batch, and for the whole training.
    """

    image_views: Mapping[str, ImageView] = {"image": ImageView("weak")}
    paper = Paper(
        title="Learning Transferable Visual Models From Natural Language Supervision",
        authors="Radford et al.",
        year=2021,
        link="https://arxiv.org/abs/2103.00020",
    )
    needs_negatives = True

    def __init__(
        self,
        weight: float = 1.0,
        label_smoothing: float = 0.0,
        image_to_text_weight: float = 0.5,
        text_view: Literal["caption", "sentence"] = "caption",
        tile: int | None = None,
        same_text: Treatment = "negatives",
        same_study: Treatment = "negatives",
        group: int | None = None,
        group_until: float | None = None,
    ) -> None:
        super().__init__(weight)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {label_smoothing}")
        if not 0 <= image_to_text_weight <= 1:
            raise ValueError(f"image_to_text_weight must lie in [0, 1], got {image_to_text_weight}")
        if text_view not in ("caption", "sentence"):
            raise ValueError(f"text_view must be 'caption' or 'sentence', got {text_view!r}")
        if tile is not None and tile < 1:
            raise ValueError(f"tile must be at least 1 or null, got {tile}")
        self.text_views = {text_view: TextView(text_view)}
        self.text_view = text_view
        self.label_smoothing = label_smoothing
        self.image_to_text_weight = image_to_text_weight
        self.tile = tile
        self.kinship = Kinship(same_text, same_study)
        self.groups = Groups(group, group_until)

    def check(self, model: DualEncoder) -> None:
        check_tile(self.tile, model.similarity)

    def check_batch(self, pairs: int, world: int) -> None:
        self.groups.check(pairs, world)

    def forward(self, step: Step) -> Terms:
        return Terms.join([self._match(step, block) for block in self.groups.of(step)])

    def _match(self, step: Step, block: Block) -> Terms:
        similarity, ranks = step.model.similarity, block.ranks
        images, texts = step.image_embeddings("image")[block.rows], step.text_embeddings(self.text_view)[block.rows]
        arguments = self.label_smoothing, self.image_to_text_weight, self.kinship.of(step, self.text_view, block)
        if self.tile is None:
            return match_pairs(similarity, images, texts, ranks, *arguments)
        return _match_pairs_tiled(similarity.scale, images.vectors, texts.vectors, ranks, self.tile, *arguments)


def match_pairs(
    similarity: Similarity,
    images: Embeddings,
    texts: Embeddings,
    ranks: Ranks,
    label_smoothing: float = 0.0,
    image_to_text_weight: float = 0.5,
    kin: Kin | None = None,
) -> Terms:
    """InfoNCE in both directions under any similarity: this rank's rows [b] against the columns [N] of all ranks."""
    offset = ranks.offset(len(images))
    targets = offset + torch.arange(len(images), device=images.vectors.device)
    image_rows = logits(similarity, similarity.image_to_text(images, gather(ranks, texts)))
    text_rows = logits(similarity, similarity.text_to_image(texts, gather(ranks, images)))
    positives, masked = kin.table(offset) if kin is not None else (None, None)
    cells = label_smoothing, ~masked if masked is not None else None, positives
    losses = weighted(info_nce(image_rows, targets, *cells), info_nce(text_rows, targets, *cells), image_to_text_weight)
    hidden = positives | masked if positives is not None and masked is not None else None
    return _terms(losses, accuracy(image_rows, targets, hidden), accuracy(text_rows, targets, hidden), kin)


def _match_pairs_tiled(
    scale: Tensor,
    images: Tensor,
    texts: Tensor,
    ranks: Ranks,
    tile: int,
    label_smoothing: float,
    image_to_text_weight: float,
    kin: Kin | None,
) -> Terms:
    """The same for unit vectors [b, E] under their inner product. A bias does not matter: it moves all logits alike."""
    if ranks.world == 1:
        return _terms(*tiled_bidirectional_info_nce(images, texts, scale, tile, label_smoothing, image_to_text_weight, kin), kin)
    offset = ranks.offset(len(images))
    image_to_text, image_accuracy = tiled_info_nce(images, ranks.gather(texts), scale, offset, tile, label_smoothing, kin)
    text_to_image, text_accuracy = tiled_info_nce(texts, ranks.gather(images), scale, offset, tile, label_smoothing, kin)
    return _terms(weighted(image_to_text, text_to_image, image_to_text_weight), image_accuracy, text_accuracy, kin)


def _terms(losses: Tensor, image_to_text: Tensor, text_to_image: Tensor, kin: Kin | None) -> Terms:
    logs = {"image_to_text_accuracy": image_to_text, "text_to_image_accuracy": text_to_image}
    return Terms.mean(losses, logs if kin is None else {**logs, "kin": share_with_kin(kin)})


def logits(similarity: Similarity, values: Tensor) -> Tensor:
    """scale * values + bias."""
    scaled = similarity.scale * values
    return scaled if similarity.logit_bias is None else scaled + similarity.logit_bias


def check_tile(tile: int | None, similarity: Similarity) -> None:
    """Refuse tiles where the similarity is not an inner product of vectors.

    Raises:
        IncompatibleError: with the way out.
    """
    if tile is not None and not similarity.dot_product:
        raise IncompatibleError(
            f"tile={tile} needs a similarity that is an inner product, which {type(similarity).__name__} is not; "
            "set tile=null or choose model.similarity Cosine"
        )
