"""The pairwise sigmoid objective of SigLIP.

Dimensions: b pairs on this rank, W ranks, N = W * b pairs on all.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from concord.errors import IncompatibleError
from concord.functional.sigmoid import pairwise_sigmoid, tiled_pairwise_sigmoid
from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import Similarity
from concord.objectives.base import Objective, Step, Terms
from concord.objectives.clip import check_tile, logits
from concord.objectives.exchange import pad_to_longest, shift
from concord.types import Embeddings, ImageView, Paper, TextView


class PairwiseSigmoid(Objective):
    """Every image-text cell of the global batch is a yes/no question of its own (SigLIP, eq. 1).

    Across ranks the texts travel round a ring. A block of b x b logits is computed at a time, and again in the backward pass,
    so that no rank ever holds b x N of them.

    Args:
        weight: factor in the training loss.
        tile: side of the tiles into which a block is cut further; None takes the block whole. Inner-product similarities only.
    """

    image_views: Mapping[str, ImageView] = {"image": ImageView("weak")}
    text_views: Mapping[str, TextView] = {"caption": TextView("caption")}
    paper = Paper(
        title="Sigmoid Loss for Language Image Pre-Training",
        authors="Zhai et al.",
        year=2023,
        link="https://arxiv.org/abs/2303.15343",
    )
    needs_negatives = True

    def __init__(self, weight: float = 1.0, tile: int | None = None) -> None:
        super().__init__(weight)
        if tile is not None and tile < 1:
            raise ValueError(f"tile must be at least 1 or null, got {tile}")
        self.tile = tile

    def check(self, model: DualEncoder) -> None:
        if model.similarity.logit_bias is None:
            raise IncompatibleError("pairwise sigmoids need a logit bias; set model.similarity.init_bias=-10 (and init_scale=10)")
        check_tile(self.tile, model.similarity)

    def forward(self, step: Step) -> Terms:
        similarity = step.model.similarity
        images = step.image_embeddings("image")
        texts = pad_to_longest(step.ranks, step.text_embeddings("caption"))
        losses = self._block(similarity, images, texts, offset=0)
        for _ in range(step.ranks.world - 1):
            texts = shift(step.ranks, texts)
            losses = losses + self._block(similarity, images, texts, offset=None)
        assert similarity.logit_bias is not None
        return Terms.mean(losses, logs={"logit_bias": similarity.logit_bias.detach()})

    def _block(self, similarity: Similarity, images: Embeddings, texts: Embeddings, offset: int | None) -> Tensor:
        """The sum over the cells of each image of one block [b, b]."""
        if self.tile is not None:
            bias = similarity.logit_bias
            assert bias is not None
            return tiled_pairwise_sigmoid(images.vectors, texts.vectors, similarity.scale, bias, self.tile, offset)
        return checkpoint(_whole_block, similarity, images, texts, offset, use_reentrant=False, preserve_rng_state=False)  # type: ignore[no-any-return]


def _whole_block(similarity: Similarity, images: Embeddings, texts: Embeddings, offset: int | None) -> Tensor:
    return pairwise_sigmoid(logits(similarity, similarity.image_to_text(images, texts)), offset)
