"""Flips, turns and crops of the picture's own shape: what medical pictures need beside what photographs do."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from concord.data import Augmentation
from concord.images import Decoded, Encoded, Preprocess, to_tensor
from tests.images.pictures import encoded, psnr, smooth

CORNERS = Image.fromarray(np.array([[[10] * 3, [20] * 3], [[30] * 3, [40] * 3]], dtype=np.uint8))
"""10 20 above 30 40."""


def look(recipe: Augmentation, picture: Image.Image, size: int, rng: Random, preprocess: Preprocess | None = None) -> torch.Tensor:
    return recipe.draw(*picture.size, size, rng)(Decoded(picture), preprocess if preprocess is not None else Preprocess(size))


def test_recipes_without_the_later_changes_draw_what_they_always_did() -> None:
    """Recorded before there were vertical flips, quarter turns, stains and crops of the picture's own shape."""
    colours = {"jitter": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "grey": 0.2, "blur": 0.5}
    recipe, rng = Augmentation(scale=(0.08, 1.0), flip=0.5, **colours), Random("pinned")  # type: ignore[arg-type]
    draws = [recipe.draw(640, 480, 64, rng) for _ in range(3)]
    assert [draw.box for draw in draws] == [(152, 26, 552, 344), (112, 20, 448, 432), (36, 72, 504, 440)]
    assert [(draw.shrink, draw.flip, draw.grey, round(draw.blur, 6)) for draw in draws] == [
        (2, False, False, 0.0),
        (4, False, False, 0.498265),
        (4, True, True, 0.0),
    ]
    assert [(change.__name__, round(amount, 6)) for change, amount in draws[2].changes] == [
        ("contrast", 1.138115),
        ("saturate", 1.221012),
        ("shift_hue", 0.062738),
        ("brighten", 0.617879),
    ]
    assert rng.random() == 0.5685406360227556
    assert all((draw.sides, draw.vertical_flip, draw.turns, draw.stains) == ((64, 64), False, 0, None) for draw in draws)


def test_vertical_flips_and_quarter_turns() -> None:
    upright = to_tensor(CORNERS)
    assert torch.equal(look(Augmentation(vertical_flip=1.0), CORNERS, 2, Random(0)), upright.flip(-2))
    turned = [look(Augmentation(quarter_turns=1.0), CORNERS, 2, Random(seed))[0].flatten().tolist() for seed in range(200)]
    quarter, half, three_quarters = [20, 40, 10, 30], [40, 30, 20, 10], [30, 10, 40, 20]  # against the clock
    shares = [turned.count(turn) / 200 for turn in (quarter, half, three_quarters)]
    assert sum(shares) == 1
    assert min(shares) > 0.25
    mixed = [look(Augmentation(vertical_flip=0.25, quarter_turns=0.5), CORNERS, 2, Random(seed)) for seed in range(400)]
    unchanged = sum(torch.equal(view, upright) for view in mixed) / 400
    assert abs(unchanged - 0.75 * 0.5) < 0.08


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 40), st.floats(0.05, 1.0), st.integers())
def test_crops_of_the_pictures_own_shape_are_padded_and_never_stretched(w: int, h: int, size: int, scale: float, seed: int) -> None:
    draw = Augmentation(scale=(scale, 1.0), ratio=None).draw(w, h, size, Random(seed))
    assert draw.box is not None
    left, top, right, bottom = draw.box
    assert 0 <= left < right <= w
    assert 0 <= top < bottom <= h
    assert max(draw.sides) == size
    lengths = right - left, bottom - top
    assert abs(lengths[0] / w - lengths[1] / h) <= (draw.shrink + 0.51) * (1 / w + 1 / h)
    for side, length in zip(draw.sides, lengths, strict=True):
        assert side == 1 or abs(side / size - length / max(lengths)) <= 0.51 / size + 2 * draw.shrink / max(lengths)
    view = draw(Decoded(Image.new("RGB", (w, h), (90, 60, 200))), Preprocess(size, background=(1, 2, 3)))
    assert view.shape == (3, size, size)
    assert (view[0] == 90).sum() == draw.sides[0] * draw.sides[1]
    assert (view[0] == 1).sum() == size * size - draw.sides[0] * draw.sides[1]


@pytest.mark.parametrize("size", [(60, 30), (30, 60), (31, 17), (20, 20), (300, 2)])
def test_the_whole_picture_in_its_own_shape_is_what_padding_makes_of_it(size: tuple[int, int]) -> None:
    picture, preprocess = smooth(*size), Preprocess(24, resize="pad", background=(0, 0, 0))
    got = look(Augmentation(scale=(1.0, 1.0), ratio=None), picture, 24, Random(0), preprocess)
    assert (got.int() - preprocess(picture).int()).abs().max() <= 2


def test_padding_is_turned_with_the_picture_and_keeps_its_colour() -> None:
    wide, preprocess = Image.new("RGB", (40, 20), (100, 100, 100)), Preprocess(20, background=(5, 6, 7))
    recipe = Augmentation(scale=(1.0, 1.0), ratio=None, quarter_turns=1.0, jitter=1.0, brightness=0.4)
    draws = [recipe.draw(40, 20, 20, Random(seed)) for seed in range(20)]
    for draw in draws:
        background = draw(Decoded(wide), preprocess) == torch.tensor([5, 6, 7])[:, None, None]
        expected = torch.ones(20, 20, dtype=torch.bool)
        expected[5:15] = False
        assert torch.equal(background.all(0), expected.T if draw.turns % 2 else expected)
    assert {draw.turns % 2 for draw in draws} == {0, 1}


def test_shrunk_pictures_give_the_same_padded_crop() -> None:
    photograph = smooth(1600, 800)
    draw = Augmentation(scale=(0.5, 0.6), ratio=None).draw(*photograph.size, 100, Random(0))
    assert draw.shrink == 8
    data = encoded(photograph, "JPEG", quality=95)
    small, whole = (draw(Encoded(data).decode(shrink), Preprocess(100)) for shrink in (8, 1))
    assert psnr(small, whole) >= 35


@pytest.mark.parametrize("name", ["vertical_flip", "quarter_turns", "stain"])
def test_the_later_settings_are_checked(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\], got 1.5"):
        Augmentation(**{name: 1.5})
