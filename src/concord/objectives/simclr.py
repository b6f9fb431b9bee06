"""Contrasting two augmented views of each image, beside the text."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from concord.distributed import Ranks
from concord.functional.nt_xent import nt_xent
from concord.functional.precision import at_least_float32
from concord.models.dual_encoder import DualEncoder
from concord.models.operators import Linear
from concord.objectives.base import Objective, Step, Terms
from concord.types import ImageView, Paper


class GlobalBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of rows [b, D] with the mean and variance of all ranks, on any device.

    Ranks hold the same number of rows. In evaluation mode the running statistics are used, as ever.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        ranks = Ranks.current()
        x = at_least_float32(input)
        variance, mean = torch.var_mean(x, dim=0, correction=0)
        everywhere = ranks.gather(torch.stack([mean, variance])[None])  # [W, 2, D]
        means, variances = everywhere.unbind(dim=1)
        mean = means.mean(dim=0)
        # The variance of the whole is the mean variance of the parts and the variance of their means.
        variance = variances.mean(dim=0) + (means - mean).square().mean(dim=0)
        self._follow(mean.detach(), variance.detach(), rows=len(x) * ranks.world)
        return ((x - mean) * (variance + self.eps).rsqrt() * self.weight + self.bias).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, rows: int) -> None:
        """Move the running statistics, whose variance is the unbiased one."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_((variance * rows / max(rows - 1, 1)).to(self.running_var.dtype), self.momentum)
        self.num_batches_tracked.add_(1)


def projector(width: int, hidden_width: int, out_width: int) -> nn.Sequential:
    """Three linear layers with batch normalisation and ReLU between them: width -> hidden -> hidden -> out."""
    return nn.Sequential(
        Linear(width, hidden_width, bias=False),
        GlobalBatchNorm(hidden_width),
        nn.ReLU(),
        Linear(hidden_width, hidden_width, bias=False),
        GlobalBatchNorm(hidden_width),
        nn.ReLU(),
        Linear(hidden_width, out_width),
    )


class SimCLR(Objective):
    """Two strongly augmented views of an image attract, all others repel (Chen et al. 2020, eq. 1), as SLIP adds it to CLIP.

    The projector stands on the tower's pooled features, before the projection into the joint space.

    Args:
        weight: factor in the training loss; SLIP takes 1.
        temperature: divides the cosines, above 0.
        hidden_width: width of the projector's two hidden layers.
        out_width: width of the space in which views are compared.
    """

    image_views: Mapping[str, ImageView] = {"augmented_a": ImageView("strong"), "augmented_b": ImageView("strong")}
    paper = Paper(
        title="SLIP: Self-supervision meets Language-Image Pre-training",
        authors="Mu et al.",
        year=2022,
        link="arXiv:2112.12750",
    )
    needs_negatives = True
    projector: nn.Sequential

    def __init__(self, weight: float = 1.0, temperature: float = 0.1, hidden_width: int = 4096, out_width: int = 256) -> None:
        super().__init__(weight)
        if temperature <= 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        if hidden_width < 1:
            raise ValueError(f"hidden_width must be at least 1, got {hidden_width}")
        if out_width < 1:
            raise ValueError(f"out_width must be at least 1, got {out_width}")
        self.temperature = temperature
        self.hidden_width = hidden_width
        self.out_width = out_width

    def setup(self, model: DualEncoder) -> None:
        self.projector = projector(model.image.width, self.hidden_width, self.out_width)

    def forward(self, step: Step) -> Terms:
        a = self._project(step, "augmented_a")
        b = self._project(step, "augmented_b")
        all_a, all_b = step.ranks.gather(torch.stack([a, b], dim=1)).unbind(dim=1)
        losses, accuracy = nt_xent(a, b, all_a, all_b, self.temperature, step.ranks.offset(len(a)))
        return Terms.mean(losses, logs={"accuracy": accuracy})

    def _project(self, step: Step, view: str) -> Tensor:
        """The view's unit vectors, [b, out_width]. Each view has batch statistics of its own."""
        return F.normalize(at_least_float32(self.projector(step.image(view).pooled)), dim=-1)
