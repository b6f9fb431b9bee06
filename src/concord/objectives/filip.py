"""FILIP's objective: InfoNCE by token-wise late interaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import nn

from concord.functional.kin import Treatment
from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import LateInteraction
from concord.objectives.base import Objective, Step, Terms
from concord.objectives.clip import match_pairs
from concord.objectives.kin import Kinship
from concord.types import Embeddings, Features, ImageView, Paper, TextView


class FILIP(Objective):
    """Each patch picks its best word and each word its best patch; the mean of the picks is the score (FILIP, eq. 3-6).

    On a model that compares tokens this is the model's own similarity. On any other model the objective brings a late
    interaction with token projections and a scale of its own, and trains the towers through them. Differs from the paper: all
    tokens take part, not the best quarter.

    Args:
        weight: factor in the training loss.
        token_width: width of the space in which tokens meet, where the objective brings its own projections.
        init_scale: first value of its own scale; the paper starts at 1 / 0.07.
        same_text, same_study: as of `InfoNCE`.
    """

    image_views: Mapping[str, ImageView] = {"image": ImageView("weak")}
    text_views: Mapping[str, TextView] = {"caption": TextView("caption")}
    paper = Paper(
        title="FILIP: Fine-grained Interactive Language-Image Pre-Training",
        authors="Yao et al.",
        year=2022,
        link="https://arxiv.org/abs/2111.07783",
    )
    needs_negatives = True
    image_projection: nn.Linear
    text_projection: nn.Linear

    def __init__(
        self,
        weight: float = 1.0,
        token_width: int = 256,
        init_scale: float = 1 / 0.07,
        same_text: Treatment = "negatives",
        same_study: Treatment = "negatives",
    ) -> None:
        super().__init__(weight)
        if token_width < 1:
            raise ValueError(f"token_width must be at least 1, got {token_width}")
        if not 1 <= init_scale <= 100:
            raise ValueError(f"init_scale must lie in [1, 100], got {init_scale}")
        self.token_width = token_width
        self.init_scale = init_scale
        self.kinship = Kinship(same_text, same_study)
        self.similarity: LateInteraction | None = None

    def setup(self, model: DualEncoder) -> None:
        if isinstance(model.similarity, LateInteraction):
            return
        self.similarity = LateInteraction(init_scale=self.init_scale)
        self.image_projection = nn.Linear(model.image.width, self.token_width, bias=False)
        self.text_projection = nn.Linear(model.text.width, self.token_width, bias=False)

    def forward(self, step: Step) -> Terms:
        kin = self.kinship.of(step, "caption")
        if self.similarity is None:
            images, texts = step.image_embeddings("image"), step.text_embeddings("caption")
            return match_pairs(step.model.similarity, images, texts, step.ranks, kin=kin)
        images = self._lift(self.similarity.lift_image, self.image_projection, step.image("image"))
        texts = self._lift(self.similarity.lift_text, self.text_projection, step.text("caption"))
        terms = match_pairs(self.similarity, images, texts, step.ranks, kin=kin)
        return replace(terms, logs={**terms.logs, "logit_scale": self.similarity.scale.detach()})

    @staticmethod
    def _lift(lift: Callable[..., Embeddings], projection: nn.Linear, features: Features) -> Embeddings:
        return lift(projection(features.pooled), projection(features.tokens), features.mask)

    def after_step(self, model: DualEncoder, progress: float) -> None:
        if self.similarity is not None:
            self.similarity.clamp_()
