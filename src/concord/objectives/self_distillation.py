"""Self-distillation: local crops learn what a slow copy of the image tower says of the whole image."""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from concord.distributed import Ranks
from concord.functional.precision import at_least_float32
from concord.functional.self_distillation import (
    cosine_momentum,
    distillation_cross_entropy,
    ema_update,
    entropy,
    teacher_probabilities,
)
from concord.models.dual_encoder import DualEncoder
from concord.models.operators import Linear, linear
from concord.objectives.base import Objective, Step, Terms
from concord.types import ImageView, Paper


class PrototypeHead(nn.Module):
    """DINO's head: a three-layer MLP to a bottleneck of unit length, then cosines with K unit prototypes.

    Args:
        width: of the features.
        hidden_width: of the two hidden layers.
        bottleneck_width: of the unit vectors.
        prototypes: K.
    """

    def __init__(self, width: int, hidden_width: int, bottleneck_width: int, prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            Linear(width, hidden_width),
            nn.GELU(),
            Linear(hidden_width, hidden_width),
            nn.GELU(),
            Linear(hidden_width, bottleneck_width),
        )
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck_width))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.prototypes)

    def forward(self, features: Tensor) -> Tensor:
        """[M, D] -> cosines [M, K], float32 or better: they are divided by small temperatures."""
        bottleneck = at_least_float32(self.mlp(features))
        with torch.autocast(features.device.type, enabled=False):
            return linear(F.normalize(bottleneck, dim=-1), F.normalize(self.prototypes, dim=-1))


class SelfDistillation(Objective):
    """Local crops predict the prototypes that an EMA teacher gives to the whole image (DINO; SILC adds it to image-text training).

    The teacher is a copy of the image tower and of the head; it runs in evaluation mode, sees the view `image` and follows
    the student after each optimizer step. The student sees `local_crops` small crops.

    Args:
        weight: factor in the training loss.
        local_crops: V, small crops per image.
        prototypes: K; DINO takes 65536.
        hidden_width: of the head's hidden layers.
        bottleneck_width: of the unit vectors that are compared with the prototypes.
        student_temperature, teacher_temperature: divide the logits, above 0; the teacher's is the lower one, so that it is sharper.
        centre_momentum: of the running mean of the teacher's logits, in [0, 1).
        teacher_momentum: of the teacher's weights at the start, in [0, 1); it rises to 1 along half a cosine.
    """

    paper = Paper(
        title="SILC: Improving Vision Language Pretraining with Self-Distillation",
        authors="Naeem et al.",
        year=2024,
        link="arXiv:2310.13355",
    )
    head: PrototypeHead
    teacher_tower: nn.Module
    teacher_head: PrototypeHead
    centre: Tensor
    logit_sum: Tensor
    batches: Tensor

    def __init__(
        self,
        weight: float = 1.0,
        local_crops: int = 8,
        prototypes: int = 65536,
        hidden_width: int = 2048,
        bottleneck_width: int = 256,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        centre_momentum: float = 0.9,
        teacher_momentum: float = 0.996,
    ) -> None:
        super().__init__(weight)
        sizes = {"local_crops": local_crops, "hidden_width": hidden_width, "bottleneck_width": bottleneck_width}
        temperatures = {"student_temperature": student_temperature, "teacher_temperature": teacher_temperature}
        momenta = {"centre_momentum": centre_momentum, "teacher_momentum": teacher_momentum}
        _check_settings({**sizes, "prototypes": prototypes}, temperatures, momenta)
        self.image_views = {"image": ImageView("weak"), "local": ImageView("local", count=local_crops)}
        self.local_crops = local_crops
        self.prototypes = prototypes
        self.hidden_width = hidden_width
        self.bottleneck_width = bottleneck_width
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.centre_momentum = centre_momentum
        self.teacher_momentum = teacher_momentum

    def setup(self, model: DualEncoder) -> None:
        self.head = PrototypeHead(model.image.width, self.hidden_width, self.bottleneck_width, self.prototypes)
        self.teacher_tower = copy.deepcopy(model.image).requires_grad_(False).eval()
        self.teacher_head = copy.deepcopy(self.head).requires_grad_(False).eval()
        self.register_buffer("centre", torch.zeros(self.prototypes))
        # What the teacher said since the last optimizer step; the centre moves with that step, also under gradient accumulation.
        self.register_buffer("logit_sum", torch.zeros(self.prototypes), persistent=False)
        self.register_buffer("batches", torch.zeros(()), persistent=False)

    def train(self, mode: bool = True) -> Self:
        """Training mode for the head alone: the teacher has no dropout and no batch statistics of its own."""
        super().train(mode)
        for name in ("teacher_tower", "teacher_head"):
            if name in self._modules:
                getattr(self, name).eval()
        return self

    def forward(self, step: Step) -> Terms:
        with torch.no_grad():
            teacher_logits = step.in_pieces(self._teach, step.pixels("image"))
        teacher = teacher_probabilities(teacher_logits, self.centre, self.teacher_temperature)
        losses = step.in_pieces(self._compare, step.image("local").pooled, teacher)
        if self.training:
            self._remember(teacher_logits, step.ranks)
        certainty = entropy(teacher)
        # The entropy of the mean falls to that of single images when the teacher says the same of all.
        spread = entropy(teacher.mean(dim=0, keepdim=True))
        kl = losses.detach().mean() - certainty
        return Terms.mean(losses, logs={"kl": kl, "teacher_entropy": certainty, "mean_teacher_entropy": spread})

    def _teach(self, pixels: Tensor) -> Tensor:
        """The teacher's logits of images, [B, K]."""
        return self.teacher_head(self.teacher_tower(pixels).pooled)  # type: ignore[no-any-return]

    def _compare(self, student: Tensor, teacher: Tensor) -> Tensor:
        """What each image costs, [B]: features of its crops [B * V, D] against the teacher's probabilities [B, K]."""
        logits = self.head(student).unflatten(0, (len(teacher), self.local_crops))  # [B, V, K]
        return distillation_cross_entropy(logits, teacher, self.student_temperature)

    def _remember(self, teacher_logits: Tensor, ranks: Ranks) -> None:
        self.logit_sum += ranks.mean(teacher_logits.mean(dim=0))
        self.batches += 1

    @torch.no_grad()
    def after_step(self, model: DualEncoder, progress: float) -> None:
        """Move the centre and the teacher."""
        moved = self.centre.lerp(self.logit_sum / self.batches, 1 - self.centre_momentum)
        self.centre.copy_(torch.where(self.batches > 0, moved, self.centre))
        self.logit_sum.zero_()
        self.batches.zero_()
        momentum = cosine_momentum(self.teacher_momentum, progress)
        ema_update(self.teacher_tower, model.image, momentum)
        ema_update(self.teacher_head, self.head, momentum)


def _check_settings(sizes: dict[str, int], temperatures: dict[str, float], momenta: dict[str, float]) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    for name, temperature in temperatures.items():
        if temperature <= 0:
            raise ValueError(f"{name} must be above 0, got {temperature}")
    for name, momentum in momenta.items():
        if not 0 <= momentum < 1:
            raise ValueError(f"{name} must lie in [0, 1), got {momentum}")
