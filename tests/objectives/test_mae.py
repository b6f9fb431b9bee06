"""MAE on a small ViT: what it sees, what it costs, two processes, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from concord.distributed import Ranks
from concord.errors import IncompatibleError
from concord.functional.masked_pixels import masked_pixel_loss, normalise_patches, patchify, random_patch_mask
from concord.models.dual_encoder import DualEncoder
from concord.objectives import MAE, Step
from concord.types import Batch
from tests.objectives.parts import SMALL_DECODER as SMALL
from tests.objectives.parts import FixedNoise, set_up, small_batch, small_model


def run(objective: MAE, model: DualEncoder, batch: Batch) -> Any:
    return set_up(objective, model)(Step(model, batch, Ranks()))


def test_loss_is_the_equation_step_by_step() -> None:
    model, batch, objective = small_model(), small_batch(), FixedNoise()
    terms = run(objective, model, batch)
    images = model.image.normalize(batch.images["image"])
    target = normalise_patches(patchify(images, 4))
    mask = random_patch_mask(objective._noise(4, 16), 4)
    prediction = objective.decoder(model.image(images, keep=mask.keep).tokens, mask.inverse, (4, 4))
    assert mask.removed.sum() == 4 * 12
    assert terms.loss.item() == pytest.approx(masked_pixel_loss(prediction, target, mask.removed).mean().item(), rel=1e-6)


@pytest.mark.parametrize(("normalise", "expected"), [(True, 47 / 48), (False, None)])
def test_predicting_zero_costs_the_size_of_the_target(normalise: bool, expected: float | None) -> None:
    model, batch = small_model(), small_batch()
    objective = MAE(normalise_pixels=normalise, **SMALL)
    set_up(objective, model)
    torch.nn.init.zeros_(objective.decoder.head.weight)
    terms = objective(Step(model, batch, Ranks()))
    assert terms.logs["relative_error"].item() == pytest.approx(1, rel=1e-6)
    if expected is not None:
        assert terms.loss.item() == pytest.approx(expected, rel=1e-4)


def test_removed_pixels_reach_the_target_and_not_the_prediction() -> None:
    model, batch, changed = small_model(), small_batch(), small_batch()
    objective = FixedNoise()
    set_up(objective, model)
    removed = random_patch_mask(objective._noise(4, 16), 4).removed.view(4, 1, 4, 4)
    hidden = removed.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    changed.images["image"] = torch.where(hidden, 255 - batch.images["image"], batch.images["image"])
    predictions: list[Tensor] = []
    objective.decoder.register_forward_hook(lambda module, inputs, output: predictions.append(output))
    losses = [objective(Step(model, each, Ranks())).loss.item() for each in (batch, changed)]
    assert torch.equal(predictions[0], predictions[1])
    assert losses[0] != losses[1]


def test_masks_differ_from_step_to_step_and_follow_the_seed() -> None:
    objective = MAE(**SMALL)
    torch.manual_seed(3)
    first, second = objective._noise(2, 16), objective._noise(2, 16)
    torch.manual_seed(3)
    assert not torch.equal(first, second)
    assert torch.equal(objective._noise(2, 16), first)


def test_gradients_reach_tower_and_decoder_and_not_the_text() -> None:
    model, objective = small_model(), FixedNoise()
    run(objective, model, small_batch()).loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in objective.decoder.blocks.parameters() if p.ndim > 1)
    assert model.image.trunk.patch_embed.proj.weight.grad.abs().max() > 0
    assert objective.decoder.mask_token.grad.abs().max() > 0
    assert all(p.grad is None for p in model.text.parameters())


def test_learns_to_rebuild_a_fixed_picture() -> None:
    model, batch, objective = small_model(), small_batch(pairs=1), FixedNoise()
    set_up(objective, model)
    optimizer = torch.optim.AdamW([*model.image.parameters(), *objective.parameters()], lr=1e-2)
    losses = []
    for _ in range(40):
        terms = objective(Step(model, batch, Ranks()))
        optimizer.zero_grad()
        terms.loss.backward()
        optimizer.step()
        losses.append(terms.loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_bf16_stays_finite() -> None:
    model = small_model()
    with torch.autocast("cpu", torch.bfloat16):
        terms = run(MAE(**SMALL), model, small_batch())
    terms.loss.backward()
    assert terms.loss.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in model.image.parameters() if p.grad is not None)


def test_refuses_a_tower_without_patches() -> None:
    with pytest.raises(IncompatibleError, match="mae needs an image tower that can encode some of its patches"):
        MAE().check(small_model(image_name="resnet18"))


def test_refuses_a_tower_whose_tokens_are_no_patches() -> None:
    with pytest.raises(IncompatibleError, match=r"image\.pooling=cascade"):
        MAE().check(small_model(decoder=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_ratio": 1.0}, r"mask_ratio must lie in \(0, 1\), got 1.0"),
        ({"mask_ratio": 0.0}, r"mask_ratio must lie in \(0, 1\), got 0.0"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"heads": 0}, "heads must be at least 1, got 0"),
        ({"width": 20, "heads": 3}, r"width must be a multiple of 4 and of heads \(3\), got 20"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MAE(**settings)
