"""Self-distillation on a small ViT: the teacher, the centre, closed forms, two processes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from concord.distributed import Ranks
from concord.models.dual_encoder import DualEncoder
from concord.objectives import SelfDistillation, Step
from concord.objectives.self_distillation import PrototypeHead
from concord.types import ImageView
from tests.objectives.parts import set_up, small_batch, small_distillation, small_model


@pytest.fixture
def model() -> DualEncoder:
    return small_model()


def test_asks_for_the_whole_image_and_as_many_crops_as_set() -> None:
    assert small_distillation(local_crops=5).image_views == {"image": ImageView("weak"), "local": ImageView("local", count=5)}
    assert SelfDistillation().image_views["local"].count == 8


def test_value_is_the_equation(model: DualEncoder) -> None:
    objective = small_distillation(student_temperature=0.2, teacher_temperature=0.1)
    set_up(objective, model)
    objective.centre.copy_(torch.linspace(-0.5, 0.5, 10))
    batch = small_batch()
    with torch.no_grad():
        terms = objective(Step(model, batch, Ranks()))
        teacher = objective.head(model.image(batch.images["image"]).pooled)
        student = [objective.head(model.image(batch.images["local"][:, v]).pooled) for v in range(3)]
    p = ((teacher - objective.centre) / 0.1).softmax(dim=1)
    expected = sum(-(p * (logits / 0.2).softmax(dim=1).log()).sum(dim=1).mean() for logits in student) / 3
    assert terms.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    entropy = -(p * p.log()).sum(dim=1).mean()
    assert terms.logs["teacher_entropy"].item() == pytest.approx(entropy.item(), rel=1e-5)
    assert terms.logs["kl"].item() == pytest.approx((expected - entropy).item(), rel=1e-4)


def test_equal_prototypes_cost_ln_k(model: DualEncoder) -> None:
    objective = small_distillation()
    set_up(objective, model)
    for head in (objective.head, objective.teacher_head):
        torch.nn.init.ones_(head.prototypes)
    terms = objective(Step(model, small_batch(), Ranks()))
    assert terms.loss.item() == pytest.approx(math.log(10), rel=1e-5)
    assert terms.logs["kl"].item() == pytest.approx(0, abs=1e-5)


def test_teacher_starts_as_the_student_and_has_no_gradients(model: DualEncoder) -> None:
    objective = small_distillation()
    set_up(objective, model)(Step(model, small_batch(), Ranks())).loss.backward()
    teacher = [*objective.teacher_tower.parameters(), *objective.teacher_head.parameters()]
    student = [*model.image.parameters(), *objective.head.parameters()]
    assert all(torch.equal(old, new) for old, new in zip(teacher, student, strict=True))
    assert all(not p.requires_grad and p.grad is None for p in teacher)
    assert all(p.grad is not None for p in objective.head.parameters())
    assert model.image.trunk.patch_embed.proj.weight.grad.abs().max() > 0


def test_teacher_stays_in_evaluation_mode(model: DualEncoder) -> None:
    objective = set_up(small_distillation(), model)
    assert objective.training
    assert not any(module.training for part in (objective.teacher_tower, objective.teacher_head) for module in part.modules())
    assert all(module.training for module in objective.head.modules())
    assert small_distillation().train().training


def test_teacher_follows_the_student(model: DualEncoder) -> None:
    objective = small_distillation(teacher_momentum=0.9)
    set_up(objective, model)
    with torch.no_grad():
        for p in objective.teacher_head.parameters():
            p.zero_()
        for p in [*objective.head.parameters(), *model.image.parameters()]:
            p.fill_(1.0)
    before = objective.teacher_tower.trunk.patch_embed.proj.weight.clone()
    for _ in range(5):
        objective.after_step(model, progress=0.0)
    assert torch.allclose(objective.teacher_head.prototypes, torch.tensor(1 - 0.9**5))
    after = objective.teacher_tower.trunk.patch_embed.proj.weight
    assert torch.allclose(1 - after, (1 - before) * 0.9**5, atol=1e-6)
    objective.after_step(model, progress=1.0)
    assert torch.equal(after, objective.teacher_tower.trunk.patch_embed.proj.weight)


def test_centre_moves_after_the_step_towards_the_mean_of_all_batches_since_the_last(model: DualEncoder) -> None:
    objective = small_distillation(centre_momentum=0.8)
    set_up(objective, model)
    batches = [small_batch(seed=seed) for seed in (0, 1)]
    for batch in batches:
        objective(Step(model, batch, Ranks()))
    assert objective.centre.abs().max() == 0
    with torch.no_grad():
        logits = torch.cat([objective.teacher_head(objective.teacher_tower(batch.images["image"]).pooled) for batch in batches])
    objective.after_step(model, progress=0.0)
    assert torch.allclose(objective.centre, 0.2 * logits.mean(dim=0), atol=1e-6)
    centre = objective.centre.clone()
    objective.after_step(model, progress=0.0)
    assert torch.equal(objective.centre, centre)


def test_evaluation_leaves_the_centre_alone(model: DualEncoder) -> None:
    objective = set_up(small_distillation(), model).eval()
    objective(Step(model, small_batch(), Ranks()))
    objective.after_step(model, progress=0.0)
    assert objective.centre.abs().max() == 0


def test_state_holds_teacher_and_centre(model: DualEncoder) -> None:
    objective = set_up(small_distillation(), model)
    objective(Step(model, small_batch(), Ranks()))
    objective.after_step(model, progress=0.0)
    fresh = set_up(small_distillation(), small_model())
    fresh.load_state_dict(objective.state_dict())
    assert fresh.centre.abs().max() > 0
    assert torch.equal(fresh.centre, objective.centre)
    assert {name.split(".")[0] for name in objective.state_dict()} == {"head", "teacher_tower", "teacher_head", "centre"}


def test_bf16_stays_finite_and_keeps_full_precision_logits(model: DualEncoder) -> None:
    objective = set_up(small_distillation(), model)
    with torch.autocast("cpu", torch.bfloat16):
        terms = objective(Step(model, small_batch(), Ranks()))
        assert objective.head(torch.randn(2, 16)).dtype == torch.float32
    terms.loss.backward()
    assert torch.isfinite(terms.loss)
    assert all(torch.isfinite(p.grad).all() for p in objective.parameters() if p.grad is not None)


def test_head_gives_cosines_whatever_the_length_of_the_prototypes() -> None:
    torch.manual_seed(0)
    head = PrototypeHead(width=5, hidden_width=7, bottleneck_width=4, prototypes=9)
    features = torch.randn(3, 5)
    cosines = head(features)
    assert cosines.shape == (3, 9)
    assert cosines.abs().max() <= 1 + 1e-6
    with torch.no_grad():
        head.prototypes *= 3
    assert torch.allclose(head(features), cosines, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"local_crops": 0}, "local_crops must be at least 1, got 0"),
        ({"prototypes": 0}, "prototypes must be at least 1, got 0"),
        ({"teacher_temperature": 0.0}, "teacher_temperature must be above 0, got 0.0"),
        ({"centre_momentum": 1.0}, r"centre_momentum must lie in \[0, 1\), got 1.0"),
        ({"teacher_momentum": -0.1}, r"teacher_momentum must lie in \[0, 1\), got -0.1"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_distillation(**settings)
