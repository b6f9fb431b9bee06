"""Self-distillation from local views to a teacher's global view (DINO, Caron et al. 2021; SILC, Naeem et al. 2024).

Dimensions: B images, V local views of each, K prototypes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from concord.functional.precision import full_precision


@full_precision
def teacher_probabilities(logits: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """Softmax of the teacher's logits [B, K] less the centre [K], over `temperature`; float32, without gradient."""
    return ((logits.detach() - centre) / temperature).softmax(dim=-1)


@full_precision
def distillation_cross_entropy(student_logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Cross entropy of the student under the teacher's probabilities, each image's mean over its local views; [B] in nats.

    Args:
        student_logits: [B, V, K].
        teacher: [B, K] probabilities.
        temperature: divides the student's logits.
    """
    student = (student_logits / temperature).log_softmax(dim=-1)
    return -(teacher[:, None] * student).sum(dim=-1).mean(dim=1)


def entropy(probabilities: Tensor) -> Tensor:
    """Mean entropy of rows [B, K], scalar in nats. A probability of 0 counts as nothing."""
    return -torch.xlogy(probabilities, probabilities).sum(dim=-1).mean()


def cosine_momentum(start: float, progress: float) -> float:
    """Momentum that rises from `start` to 1 along half a cosine, at `progress` in [0, 1]."""
    return 1 - (1 - start) * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def ema_update(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """teacher <- momentum * teacher + (1 - momentum) * student for parameters; buffers are copied."""
    for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
        old.lerp_(new, 1 - momentum)
    for stale, fresh in zip(teacher.buffers(), student.buffers(), strict=True):
        stale.copy_(fresh)
