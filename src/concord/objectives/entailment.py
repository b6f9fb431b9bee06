"""The entailment objective of MERU: a text is more general than its image, and holds it in a cone."""

from __future__ import annotations

from collections.abc import Mapping

from concord.errors import IncompatibleError
from concord.functional.hyperbolic import entailment
from concord.models.dual_encoder import DualEncoder
from concord.models.similarity import Lorentz
from concord.objectives.base import Objective, Step, Terms
from concord.types import ImageView, Paper, TextView


class Entailment(Objective):
    """The angle by which an image lies outside the cone of its text in hyperbolic space (MERU, eq. 6).

    It looks at one pair at a time and is added to a contrastive objective.

    Args:
        weight: factor in the training loss; MERU takes 0.2.
        min_radius: above 0. A text whose space part is shorter than twice this, in units of 1 / sqrt(curvature), has the widest
            cone, a half space. MERU takes 0.1.
    """

    image_views: Mapping[str, ImageView] = {"image": ImageView("weak")}
    text_views: Mapping[str, TextView] = {"caption": TextView("caption")}
    paper = Paper(
        title="Hyperbolic Image-Text Representations",
        authors="Desai et al.",
        year=2023,
        link="https://arxiv.org/abs/2304.09172",
    )

    def __init__(self, weight: float = 0.2, min_radius: float = 0.1) -> None:
        super().__init__(weight)
        if min_radius <= 0:
            raise ValueError(f"min_radius must be above 0, got {min_radius}")
        self.min_radius = min_radius

    def check(self, model: DualEncoder) -> None:
        if not isinstance(model.similarity, Lorentz):
            raise IncompatibleError(
                f"entailment cones need a model in hyperbolic space, and this one compares by {type(model.similarity).__name__}; "
                "use method=meru, or choose model.similarity Lorentz"
            )

    def forward(self, step: Step) -> Terms:
        similarity = step.model.similarity
        assert isinstance(similarity, Lorentz)
        texts, images = step.text_embeddings("caption").vectors, step.image_embeddings("image").vectors
        outside = entailment(texts, images, similarity.curvature, self.min_radius)
        return Terms.mean(outside, logs={"inside": (outside.detach() == 0).float().mean(), "curvature": similarity.curvature.detach()})
