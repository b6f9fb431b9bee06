"""The pairwise sigmoid objective of SigLIP.

Dimensions: b pairs on this rank, W ranks, N = W * b pairs on all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from concord.errors import IncompatibleError
from concord.functional.kin import Kin, Treatment
from concord.functional.sigmoid import pairwise_sigmoid, tiled_pairwise_sigmoid
from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import Similarity
from concord.objectives.base import Objective, Step, Terms
from concord.objectives.clip import check_tile, logits
from concord.objectives.exchange import pad_to_longest, shift
from concord.objectives.groups import Block, Groups
from concord.objectives.kin import Kinship, share_with_kin
from concord.types import Embeddings, ImageView, Paper, TextView


class PairwiseSigmoid(Objective):
    """Every image-text cell of the global batch is a yes/no question of its own (SigLIP, eq. 1).

    Across ranks the texts travel round a ring. A block of b x b logits is computed at a time, and again in the backward pass,
    so that no rank ever holds b x N of them.

    Args:
        weight: factor in the training loss.
        tile: side of the tiles into which a block is cut further; None takes the block whole. Inner-product similarities only.
        same_text, same_study: what pairs are to one another whose texts say the same, and pairs of one study: "negatives" as in
            SigLIP, "masked", about which nothing is asked, or "positives", about which the answer is yes.
        group, group_until: compare pairs within groups of this many neighbours of the global batch until this share of training is
            done, see `concord.objectives.groups.Groups`; None for the whole batch, and for the whole training.
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

    def __init__(
        self,
        weight: float = 1.0,
        tile: int | None = None,
        same_text: Treatment = "negatives",
        same_study: Treatment = "negatives",
        group: int | None = None,
        group_until: float | None = None,
    ) -> None:
        super().__init__(weight)
        if tile is not None and tile < 1:
            raise ValueError(f"tile must be at least 1 or null, got {tile}")
        self.tile = tile
        self.kinship = Kinship(same_text, same_study)
        self.groups = Groups(group, group_until)

    def check(self, model: DualEncoder) -> None:
        if model.similarity.logit_bias is None:
            raise IncompatibleError("pairwise sigmoids need a logit bias; set model.similarity.init_bias=-10 (and init_scale=10)")
        check_tile(self.tile, model.similarity)

    def check_batch(self, pairs: int, world: int) -> None:
        self.groups.check(pairs, world)

    def forward(self, step: Step) -> Terms:
        return Terms.join([self._ring(step, block) for block in self.groups.of(step)])

    def _ring(self, step: Step, block: Block) -> Terms:
        similarity, ranks = step.model.similarity, block.ranks
        images = step.image_embeddings("image")[block.rows]
        texts = pad_to_longest(ranks, step.text_embeddings("caption")[block.rows])
        kin, count = self.kinship.of(step, "caption", block), len(images)
        losses = self._block(similarity, images, texts, 0, _kin_of(kin, ranks.rank, count))
        for hop in range(1, ranks.world):
            texts = shift(ranks, texts)
            losses = losses + self._block(similarity, images, texts, None, _kin_of(kin, (ranks.rank - hop) % ranks.world, count))
        assert similarity.logit_bias is not None
        logs = {"logit_bias": similarity.logit_bias.detach()}
        return Terms.mean(losses, logs if kin is None else {**logs, "kin": share_with_kin(kin)})

    def _block(self, similarity: Similarity, images: Embeddings, texts: Embeddings, offset: int | None, kin: Kin | None) -> Tensor:
        """The sum over the cells of each image of one block [b, b]."""
        if self.tile is not None:
            bias = similarity.logit_bias
            assert bias is not None
            return tiled_pairwise_sigmoid(images.vectors, texts.vectors, similarity.scale, bias, self.tile, offset, kin)
        return checkpoint(  # type: ignore[no-any-return]
            _whole_block, similarity, images, texts, offset, kin, use_reentrant=False, preserve_rng_state=False
        )


def _whole_block(similarity: Similarity, images: Embeddings, texts: Embeddings, offset: int | None, kin: Kin | None) -> Tensor:
    return pairwise_sigmoid(logits(similarity, similarity.image_to_text(images, texts)), offset, kin)


def _kin_of(kin: Kin | None, rank: int, rows: int) -> Kin | None:
    """Those among the columns of one rank."""
    return replace(kin, columns=kin.columns[rank * rows : (rank + 1) * rows]) if kin is not None else None
