"""The decoder of masked autoencoding: positions, un-shuffling, and what its output may depend on."""

from __future__ import annotations

import math

import pytest
import torch

from concord.functional.masked_pixels import random_patch_mask
from concord.models.mae_decoder import MAEDecoder, sin_cos_positions


@pytest.fixture
def decoder() -> MAEDecoder:
    torch.manual_seed(0)
    return MAEDecoder(input_width=12, patch_size=2, width=16, depth=2, heads=2)


def test_positions_follow_the_formula() -> None:
    table = sin_cos_positions(3, 4, 16)
    assert table.shape == (12, 16)
    row, column = 2, 3
    frequencies = [10000 ** (-i / 4) for i in range(4)]
    for start, coordinate in ((0, column), (8, row)):
        angles = [coordinate * frequency for frequency in frequencies]
        expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        assert table[row * 4 + column, start : start + 8].tolist() == pytest.approx(expected, abs=1e-6)


def test_positions_are_all_different() -> None:
    table = sin_cos_positions(14, 14, 64)
    distances = torch.cdist(table, table) + 1e3 * torch.eye(196)
    assert distances.min() > 0.1


def test_positions_refuse_a_width_without_four_parts() -> None:
    with pytest.raises(ValueError, match="multiple of 4, got 18"):
        sin_cos_positions(2, 2, 18)


def test_unshuffle_returns_every_patch_to_its_place(decoder: MAEDecoder) -> None:
    mask = random_patch_mask(torch.rand(3, 9, generator=torch.Generator().manual_seed(1)), 4)
    patches = torch.randn(3, 9, 16)
    visible = patches.gather(1, mask.keep[:, :, None].expand(-1, -1, 16))
    restored = decoder._unshuffle(visible, mask.inverse)
    assert torch.equal(restored[~mask.removed], patches[~mask.removed])
    assert torch.equal(restored[mask.removed], decoder.mask_token.detach().expand(15, 16))


def test_output_gives_the_pixels_of_every_patch(decoder: MAEDecoder) -> None:
    mask = random_patch_mask(torch.rand(2, 6), 2)
    assert decoder(torch.randn(2, 2, 12), mask.inverse, (2, 3)).shape == (2, 6, 2 * 2 * 3)


def test_output_does_not_depend_on_the_order_of_the_visible_patches(decoder: MAEDecoder) -> None:
    noise = torch.rand(2, 8, generator=torch.Generator().manual_seed(2))
    mask = random_patch_mask(noise, 3)
    tokens = torch.randn(2, 3, 12, generator=torch.Generator().manual_seed(3))
    order = torch.tensor([2, 0, 1])
    shuffled = torch.cat([mask.keep[:, order], noise.argsort(dim=1)[:, 3:]], dim=1)
    expected = decoder(tokens, mask.inverse, (2, 4))
    assert torch.allclose(decoder(tokens[:, order], shuffled.argsort(dim=1), (2, 4)), expected, atol=1e-5)


def test_images_do_not_see_one_another(decoder: MAEDecoder) -> None:
    mask = random_patch_mask(torch.rand(3, 4), 2)
    tokens = torch.randn(3, 2, 12)
    alone = decoder(tokens[1:2], mask.inverse[1:2], (2, 2))
    assert torch.allclose(decoder(tokens, mask.inverse, (2, 2))[1:2], alone, atol=1e-6)


def test_starts_from_xavier_and_a_small_mask_token() -> None:
    torch.manual_seed(0)
    decoder = MAEDecoder(input_width=64, patch_size=4, width=256, depth=1, heads=4)
    bound = math.sqrt(6 / (64 + 256))
    assert 0.95 * bound < decoder.embed.weight.abs().max() <= bound
    assert decoder.embed.bias.abs().max() == 0
    assert decoder.mask_token.std().item() == pytest.approx(0.02, rel=0.2)


def test_refuses_widths_that_do_not_divide() -> None:
    with pytest.raises(ValueError, match=r"multiple of 4 and of heads \(3\), got 16"):
        MAEDecoder(input_width=8, patch_size=2, width=16, heads=3)
