"""DINO's cross entropy, centre and EMA against plain Python and closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from concord.functional.self_distillation import (
    cosine_momentum,
    distillation_cross_entropy,
    ema_update,
    entropy,
    teacher_probabilities,
)


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def softmax(row: list[float]) -> list[float]:
    powers = [math.exp(x) for x in row]
    return [power / sum(powers) for power in powers]


def oracle(student: list, teacher: list, centre: list, student_temperature: float, teacher_temperature: float) -> float:
    """-sum p_t log p_s over every (image, local view), in Python floats."""
    terms = []
    for views, logits in zip(student, teacher, strict=True):
        p = softmax([(u - c) / teacher_temperature for u, c in zip(logits, centre, strict=True)])
        for view in views:
            q = softmax([v / student_temperature for v in view])
            terms.append(-sum(x * math.log(y) for x, y in zip(p, q, strict=True)))
    return sum(terms) / len(terms)


def test_value_and_gradient_match_plain_python() -> None:
    student, teacher, centre = seeded(3, 2, 5).requires_grad_(), seeded(3, 5, seed=1), seeded(5, seed=2)
    loss = distillation_cross_entropy(student, teacher_probabilities(teacher, centre, 0.4), 0.7).mean()
    loss.backward()
    rest = (teacher.tolist(), centre.tolist(), 0.7, 0.4)
    assert loss.item() == pytest.approx(oracle(student.tolist(), *rest), rel=1e-12)
    assert student.grad is not None
    for index in [(0, 0, 0), (2, 1, 3)]:
        sides = []
        for change in (1e-5, -1e-5):
            moved = student.detach().clone()
            moved[index] += change
            sides.append(oracle(moved.tolist(), *rest))
        assert student.grad[index].item() == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-9)


def test_uniform_teacher_and_student_cost_ln_k() -> None:
    prototypes = 65536
    teacher = teacher_probabilities(torch.zeros(1, prototypes), torch.zeros(prototypes), 0.04)
    loss = distillation_cross_entropy(torch.zeros(1, 2, prototypes), teacher, 0.1)
    assert loss.item() == pytest.approx(11.090355, abs=1e-4)


def test_equal_logits_and_temperatures_cost_the_teachers_entropy() -> None:
    logits = seeded(4, 6)
    teacher = teacher_probabilities(logits, torch.zeros(6), 0.3)
    loss = distillation_cross_entropy(logits[:, None], teacher, 0.3).mean()
    assert loss.item() == pytest.approx(entropy(teacher).item(), rel=1e-12)


def test_the_mean_as_centre_takes_away_what_all_images_share() -> None:
    logits, shared = seeded(8, 6), 5 * seeded(6, seed=3)
    with_shift = teacher_probabilities(logits + shared, (logits + shared).mean(dim=0), 0.5)
    without = teacher_probabilities(logits, logits.mean(dim=0), 0.5)
    assert torch.allclose(with_shift, without, atol=1e-12)


def test_no_gradient_reaches_the_teacher() -> None:
    logits = seeded(2, 3).requires_grad_()
    assert not teacher_probabilities(logits, torch.zeros(3), 0.1).requires_grad


def test_half_precision_logits_give_float32_probabilities() -> None:
    teacher = teacher_probabilities(seeded(2, 9).bfloat16(), torch.zeros(9), 0.04)
    assert teacher.dtype == torch.float32
    assert torch.allclose(teacher.sum(dim=-1), torch.ones(2), atol=1e-6)


def test_entropy_counts_a_probability_of_zero_as_nothing() -> None:
    assert entropy(torch.tensor([[1.0, 0.0], [0.5, 0.5]])).item() == pytest.approx(math.log(2) / 2)


@pytest.mark.parametrize(("progress", "momentum"), [(0.0, 0.996), (0.5, 0.998), (1.0, 1.0)])
def test_cosine_momentum(progress: float, momentum: float) -> None:
    assert cosine_momentum(0.996, progress) == pytest.approx(momentum, abs=1e-12)


def test_ema_from_0_to_a_constant_1_after_k_steps_is_1_minus_mu_to_the_k() -> None:
    teacher, student = nn.Linear(2, 2).double(), nn.Linear(2, 2).double()
    nn.init.zeros_(teacher.weight)
    nn.init.ones_(student.weight)
    for _ in range(7):
        ema_update(teacher, student, 0.9)
    assert torch.allclose(teacher.weight, torch.full((2, 2), 1 - 0.9**7, dtype=torch.float64), atol=1e-14)


def test_ema_copies_buffers() -> None:
    teacher, student = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    student(torch.randn(5, 3))
    ema_update(teacher, student, 0.99)
    assert torch.equal(teacher.running_mean, student.running_mean)
    assert teacher.num_batches_tracked == 1
