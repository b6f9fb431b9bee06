"""Patches, masks and the loss of masked autoencoding against loops and closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.functional.masked_pixels import (
    masked_mean,
    masked_pixel_loss,
    normalise_patches,
    patchify,
    random_patch_mask,
    visible_count,
)


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_patchify_orders_row_column_channel() -> None:
    images = seeded(2, 3, 4, 6)
    patches = patchify(images, 2)
    assert patches.shape == (2, 6, 12)
    for patch in range(6):
        top, left = 2 * (patch // 3), 2 * (patch % 3)
        expected = [images[1, c, top + y, left + x].item() for y in range(2) for x in range(2) for c in range(3)]
        assert patches[1, patch].tolist() == expected


def test_patchify_refuses_sides_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match="multiples of patch_size 4, got 8 x 6"):
        patchify(torch.zeros(1, 3, 8, 6), 4)


@pytest.mark.parametrize(
    ("patches", "ratio", "visible"), [(196, 0.75, 49), (100, 0.9, 10), (49, 0.75, 12), (16, 0.5, 8), (4, 0.9, 1), (9, 0.0, 9)]
)
def test_visible_count_is_the_floor_and_at_least_one(patches: int, ratio: float, visible: int) -> None:
    assert visible_count(patches, ratio) == visible


@settings(max_examples=40, deadline=None)
@given(patches=st.integers(1, 40), data=st.data(), seed=st.integers(0, 2**31))
def test_mask_is_a_permutation_with_exact_counts(patches: int, data: st.DataObject, seed: int) -> None:
    visible = data.draw(st.integers(1, patches))
    noise = torch.rand(3, patches, generator=torch.Generator().manual_seed(seed))
    mask = random_patch_mask(noise, visible)
    assert mask.keep.shape == (3, visible)
    assert mask.removed.sum(dim=1).tolist() == [patches - visible] * 3
    assert mask.inverse.sort(dim=1).values.tolist() == [list(range(patches))] * 3
    for row in range(3):
        kept = mask.keep[row].tolist()
        assert sorted(kept) == sorted(noise[row].argsort()[:visible].tolist())
        assert [mask.inverse[row, patch].item() for patch in kept] == list(range(visible))
        assert not mask.removed[row, kept].any()


def test_each_image_has_its_own_mask() -> None:
    mask = random_patch_mask(torch.rand(8, 64, generator=torch.Generator().manual_seed(0)), 16)
    assert len({tuple(row) for row in mask.removed.tolist()}) == 8


def test_normalised_patch_has_mean_zero_and_unbiased_variance_one() -> None:
    patches = normalise_patches(7 + 3 * seeded(2, 5, 48))
    assert patches.mean(dim=-1).abs().max() < 1e-12
    assert torch.allclose(patches.var(dim=-1, correction=1), torch.ones(2, 5, dtype=torch.float64), atol=1e-6)


def test_constant_patch_has_a_target_of_zero() -> None:
    assert normalise_patches(torch.full((1, 1, 12), 5.0)).abs().max() == 0


def test_predicting_zero_costs_n_minus_1_over_n() -> None:
    target = normalise_patches(1000 * seeded(2, 4, 768))
    loss = masked_pixel_loss(torch.zeros_like(target), target, torch.ones(2, 4, dtype=torch.bool)).mean()
    assert loss.item() == pytest.approx(767 / 768, rel=1e-9)
    assert loss.item() == pytest.approx(0.998698, abs=5e-7)


def test_loss_and_gradient_match_a_loop() -> None:
    prediction, target = seeded(2, 5, 6, seed=1).requires_grad_(), seeded(2, 5, 6, seed=2)
    removed = torch.tensor([[True, False, True, True, False], [False, False, True, False, False]])
    losses = masked_pixel_loss(prediction, target, removed)
    losses.sum().backward()
    totals = [0.0, 0.0]
    for image in range(2):
        for patch in range(5):
            if removed[image, patch]:
                pairs = zip(prediction[image, patch].tolist(), target[image, patch].tolist(), strict=True)
                totals[image] += sum((p - t) ** 2 for p, t in pairs) / 6
    assert losses.tolist() == pytest.approx([totals[0] / 3, totals[1]], rel=1e-12)
    counts = torch.tensor([3, 1])[:, None, None]
    expected = 2 * (prediction.detach() - target) / 6 / counts * removed[:, :, None]
    assert torch.allclose(prediction.grad, expected, atol=1e-14)
    assert prediction.grad[0, 1].abs().max() == 0


def test_nothing_removed_costs_nothing() -> None:
    prediction = seeded(1, 3, 4).requires_grad_()
    loss = masked_pixel_loss(prediction, seeded(1, 3, 4, seed=3), torch.zeros(1, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None
    assert prediction.grad.abs().max() == 0


def test_masked_mean_ignores_the_rest() -> None:
    assert masked_mean(torch.tensor([[1.0, 2.0, 90.0]]), torch.tensor([[True, True, False]])).tolist() == [1.5]
