"""The caption decoder: causality, padding, what it sees of the image."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from concord.models import CaptionDecoder, TextTower
from concord.types import Tokens

VOCABULARY, LENGTH = 40, 12


def decoder() -> CaptionDecoder:
    torch.manual_seed(0)
    made = CaptionDecoder(VOCABULARY, width=32, image_width=24, depth=2, heads=4)
    for name, parameter in made.named_parameters():  # away from the small start, so that a leak would show
        if name.endswith("weight") and parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)
    return made.eval()


def inputs(length: int = LENGTH, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Text tokens [2, L, 32], image tokens [2, 5, 24], and a mask without padding."""
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(2, length, 32, generator=generator)
    return text, torch.randn(2, 5, 24, generator=generator), torch.ones(2, length, dtype=torch.bool)


@given(place=st.integers(0, LENGTH - 1))
@settings(max_examples=12, deadline=None)
def test_a_token_changes_nothing_before_it(place: int) -> None:
    model, (text, image, mask) = decoder(), inputs()
    changed = text.clone()
    changed[:, place] = torch.randn(2, 32, generator=torch.Generator().manual_seed(place))
    difference = (model(text, image, mask) - model(changed, image, mask)).abs().amax(dim=(0, 2))
    assert (difference[:place] < 1e-5).all()
    assert (difference[place:] > 1e-4).all()


@given(length=st.integers(1, LENGTH), extra=st.integers(0, 8))
@settings(max_examples=12, deadline=None)
def test_padding_never_matters(length: int, extra: int) -> None:
    model, (text, image, mask) = decoder(), inputs(length)
    padded = F.pad(text, (0, 0, 0, extra), value=7.0)
    expected = model(text, image, mask)
    assert torch.allclose(model(padded, image, F.pad(mask, (0, extra)))[:, :length], expected, atol=1e-5)


def test_what_stands_in_padding_never_matters() -> None:
    model, (text, image, mask) = decoder(), inputs()
    mask[0, 7:] = False
    changed = text.masked_fill(~mask[..., None], 100.0)
    assert torch.equal(model(text, image, mask), model(changed, image, mask))


def test_every_position_sees_the_image() -> None:
    model, (text, image, mask) = decoder(), inputs()
    difference = (model(text, image, mask) - model(text, image.flip(0), mask)).abs().amax(dim=(0, 2))
    assert (difference > 1e-3).all()
    assert torch.allclose(model(text, image, mask), model(text, image[:, [3, 1, 4, 0, 2]], mask), atol=1e-5)


def test_captions_are_read_by_a_class_tower_and_continued() -> None:
    """Tower and decoder together: what follows a word, pads and the class token included, does not reach its scores."""
    torch.manual_seed(0)
    tower, model, image = TextTower(VOCABULARY, 16, width=32, depth=1, heads=4, pooling="class").eval(), decoder(), inputs()[1]
    ids = torch.randint(0, VOCABULARY, (2, 8))
    mask = torch.arange(8) < torch.tensor([[8], [5]])
    scores = model(tower(Tokens(ids, mask)).tokens, image, mask)
    changed = ids.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % VOCABULARY
    after = model(tower(Tokens(changed, mask)).tokens, image, mask)
    assert torch.allclose(scores[:, :4], after[:, :4], atol=1e-5)
    assert not torch.allclose(scores[:, 4], after[:, 4], atol=1e-3)


def test_starts_near_a_uniform_guess() -> None:
    torch.manual_seed(0)
    model = CaptionDecoder(VOCABULARY, width=128, image_width=24, depth=2, heads=4)
    assert math.isclose(float(model.output.weight.detach().std()), 0.02, rel_tol=0.05)
    text, image, mask = torch.randn(2, LENGTH, 128), inputs()[1], inputs()[2]
    loss = F.cross_entropy(model(text, image, mask).flatten(0, 1), torch.randint(0, VOCABULARY, (2 * LENGTH,)))
    assert abs(float(loss.detach()) - math.log(VOCABULARY)) < 0.15


def test_bf16_stays_finite() -> None:
    model, (text, image, mask) = decoder(), inputs()
    with torch.autocast("cpu", torch.bfloat16):
        scores = model(text, image, mask)
        scores.float().square().mean().backward()
    assert scores.isfinite().all()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        CaptionDecoder(VOCABULARY, 32, 24, depth=0, heads=4)
    with pytest.raises(ValueError, match="width must be a positive multiple of heads, got width=30, heads=4"):
        CaptionDecoder(VOCABULARY, 30, 24, heads=4)
