from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import combine_stains, hed2rgb, rgb2hed, rgb_from_hed

from concord.data import Augmentation
from concord.data.views.stain import ABSORBED, Stains, draw_stains
from concord.images import Decoded, Preprocess

STILL = Stains((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


@pytest.fixture(scope="module")
def tissue() -> torch.Tensor:
    """uint8 [3, 24, 24]: random amounts of haematoxylin and eosin, mixed by skimage."""
    amounts = np.random.default_rng(0).uniform(0.002, 0.06, (24, 24, 3)) * (1, 1, 0.1)
    return torch.from_numpy((combine_stains(amounts, rgb_from_hed) * 255).round().astype(np.uint8)).permute(2, 0, 1)


def test_no_change_leaves_every_brightness_as_it_is() -> None:
    every = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    assert torch.equal(STILL(every), every)
    noise = torch.randint(0, 256, (3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(STILL(noise), noise)


@settings(max_examples=40, deadline=None)
@given(st.integers(), st.floats(0.01, 0.2))
def test_the_change_is_that_of_skimages_stains(tissue: torch.Tensor, seed: int, most: float) -> None:
    """The reference splits the same densities in float64; it counts them in units of ln 1,000,000."""
    stains = draw_stains(most, Random(seed))
    amounts = rgb2hed((tissue.permute(1, 2, 0).numpy() + 1.0) / 256)
    changed = amounts * stains.factors + np.array(stains.shifts) / np.log(1e6)
    expected = (hed2rgb(changed) * 256 - 1).clip(0, 255)
    assert np.abs(stains(tissue).permute(1, 2, 0).numpy() - expected).max() <= 1.01


def test_the_absorptions_are_the_published_ones() -> None:
    assert np.allclose(ABSORBED, rgb_from_hed)


def test_more_haematoxylin_is_bluer_and_more_eosin_is_redder(tissue: torch.Tensor) -> None:
    def means(factors: tuple[float, float, float]) -> torch.Tensor:
        return Stains(factors, (0.0, 0.0, 0.0))(tissue).float().mean((1, 2))

    red, _, blue = means((1.5, 1.0, 1.0)) - means((1.0, 1.0, 1.0))
    assert red < blue < 0
    red, green, blue = means((1.0, 1.5, 1.0)) - means((1.0, 1.0, 1.0))
    assert green < 3 * min(red, blue) < 0


def test_draws_are_even_within_their_limits() -> None:
    rng = Random(0)
    drawn = [draw_stains(0.2, rng) for _ in range(500)]
    for values, centre in (([s.factors for s in drawn], 1.0), ([s.shifts for s in drawn], 0.0)):
        assert np.all(np.abs(np.array(values) - centre) <= 0.2)
        assert np.all(np.abs(np.mean(values, axis=0) - centre) < 0.02)
        assert np.allclose(np.std(values, axis=0), 0.4 / np.sqrt(12), atol=0.01)


def test_a_recipe_changes_stains_and_a_plain_one_does_not(tissue: torch.Tensor) -> None:
    picture = Image.fromarray(tissue.permute(1, 2, 0).numpy().copy())
    draw = Augmentation(stain=0.1).draw(24, 24, 24, Random(1))
    assert draw.stains is not None
    assert torch.equal(draw(Decoded(picture), Preprocess(24)), draw.stains(tissue))
    assert Augmentation().draw(24, 24, 24, Random(1)).stains is None
