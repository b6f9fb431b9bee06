from __future__ import annotations

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from concord.config import build
from concord.data import Augmentation
from concord.data.views.augment import draw_box
from concord.images import Decoded, Preprocess, to_tensor

ROOT = Path(__file__).resolve().parents[3]


def look(recipe: Augmentation, picture: Image.Image, size: int, preprocess: Preprocess, rng: Random) -> torch.Tensor:
    """One draw of a recipe."""
    return recipe.draw(*picture.size, size, rng)(Decoded(picture), preprocess)


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Smooth colours over a size that is no square: red grows to the right, green downwards."""
    rows, columns = np.mgrid[0:48, 0:64]
    return Image.fromarray(np.stack([columns * 4, rows * 5, (rows + columns) * 2], axis=-1).astype(np.uint8))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.01, 1.0), st.integers())
def test_boxes_lie_inside(width: int, height: int, smallest: float, seed: int) -> None:
    left, top, right, bottom = draw_box(width, height, (smallest, 1.0), (3 / 4, 4 / 3), Random(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_boxes_have_the_area_and_the_shape_that_was_asked_for() -> None:
    rng = Random(0)
    boxes = [draw_box(1000, 1000, (0.2, 0.6), (0.5, 2.0), rng) for _ in range(2000)]
    areas = np.array([(right - left) * (bottom - top) / 1e6 for left, top, right, bottom in boxes])
    shapes = np.log([(right - left) / (bottom - top) for left, top, right, bottom in boxes])
    assert 0.195 < areas.min() < 0.22
    assert 0.55 < areas.max() < 0.605
    assert abs(areas.mean() - 0.39) < 0.02  # below 0.4: large boxes of extreme shape do not fit and are drawn again
    assert abs(shapes).max() < math.log(2) + 0.01
    assert abs(shapes.mean()) < 0.05


def test_strips_get_the_largest_centred_box() -> None:
    assert draw_box(100, 10, (1.0, 1.0), (3 / 4, 4 / 3), Random(0)) == (43, 0, 56, 10)


def test_the_plain_recipe_is_what_evaluation_sees(picture: Image.Image) -> None:
    for resize in ("crop", "squash", "pad"):
        preprocess = Preprocess(image_size=16, resize=resize)  # type: ignore[arg-type]
        assert torch.equal(look(Augmentation(), picture, 16, preprocess, Random(1)), preprocess(picture))


def test_draws_are_a_function_of_the_generator(picture: Image.Image, preprocess: Preprocess, recipes: dict[str, Augmentation]) -> None:
    for name, recipe in recipes.items():
        before = Random(0).getstate(), torch.get_rng_state(), np.random.get_state()[1].copy()
        first, again, other = (look(recipe, picture, 8, preprocess, Random(seed)) for seed in (5, 5, 6))
        assert torch.equal(first, again)
        assert torch.equal(first, other) == (name == "plain")
        assert (first.shape, first.dtype) == ((3, 8, 8), torch.uint8)
        assert torch.equal(before[1], torch.get_rng_state())
        assert np.array_equal(before[2], np.random.get_state()[1])


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos"])
def test_a_crop_is_pillows_crop(picture: Image.Image, interpolation) -> None:
    draw = Augmentation(scale=(0.3, 1.0), flip=1.0).draw(*picture.size, 24, Random(3))
    assert draw.shrink == 1
    expected = picture.crop(draw.box).resize((24, 24), Image.Resampling[interpolation.upper()])
    got = draw(Decoded(picture), Preprocess(24, interpolation=interpolation))
    assert (got.int() - to_tensor(expected).flip(-1).int()).abs().max() <= 1


def test_small_views_allow_a_smaller_picture() -> None:
    recipe = Augmentation(scale=(0.5, 0.5), ratio=(1.0, 1.0))  # of 1000 x 1000 pixels, a box of 707
    draws = {size: recipe.draw(1000, 1000, size, Random(0)) for size in (400, 200, 100, 50)}
    assert {size: draw.shrink for size, draw in draws.items()} == {400: 1, 200: 2, 100: 4, 50: 8}
    assert all(side % draw.shrink == 0 for draw in draws.values() for side in draw.box or ())
    assert max(abs(a - b) for draw in draws.values() for a, b in zip(draw.box, draws[400].box, strict=True)) <= 4


def test_turned_and_whole_pictures_are_taken_at_full_size() -> None:
    assert Augmentation(scale=(0.5, 0.5), rotation=10.0).draw(1000, 1000, 50, Random(0)).shrink == 1
    assert Augmentation().draw(1000, 1000, 50, Random(0)).shrink == 1


def means(picture: Image.Image, preprocess: Preprocess, draws: int = 300, **settings: float) -> torch.Tensor:
    """[draws, 3, 8, 8] of the whole picture under one setting."""
    recipe = Augmentation(**settings)  # type: ignore[arg-type]
    rng = Random(0)
    return torch.stack([look(recipe, picture, 8, preprocess, rng) for _ in range(draws)]).float()


def chroma(images: torch.Tensor) -> torch.Tensor:
    return (images.amax(-3) - images.amin(-3)).mean((-1, -2))


def test_flips(picture: Image.Image, preprocess: Preprocess) -> None:
    flipped = means(picture, preprocess, flip=0.5)
    share = (flipped[:, 0, :, 0] > flipped[:, 0, :, -1]).all(1).float().mean()  # red falls to the right
    assert 0.4 < share < 0.6
    assert torch.equal(means(picture, preprocess, 1, flip=1.0).flip(-1), means(picture, preprocess, 1))
    assert torch.equal(means(picture, preprocess, 20), means(picture, preprocess, 1).expand(20, -1, -1, -1))


def test_grey(picture: Image.Image, preprocess: Preprocess) -> None:
    grey = means(picture, preprocess, grey=0.2)
    share = (grey[:, 0] == grey[:, 1]).flatten(1).all(1).float().mean()
    assert 0.12 < share < 0.28


def test_brightness_and_contrast_and_saturation(picture: Image.Image, preprocess: Preprocess) -> None:
    plain = means(picture, preprocess, 1)[0]
    bright = means(picture, preprocess, jitter=1.0, brightness=0.4).mean((1, 2, 3)) / plain.mean()
    assert 0.59 < bright.min() < 0.68
    assert 1.3 < bright.max() < 1.41
    contrast = means(picture, preprocess, jitter=1.0, contrast=0.4)
    assert (contrast.mean((1, 2, 3)) / plain.mean() - 1).abs().max() < 0.1
    assert contrast.flatten(1).std(1).min() < 0.7 * plain.std()
    saturation = chroma(means(picture, preprocess, jitter=1.0, saturation=0.5)) / chroma(plain)
    assert saturation.min() < 0.6
    assert saturation.max() > 1.3


def test_hue_turns_the_colour_circle(preprocess: Preprocess) -> None:
    red = Image.new("RGB", (8, 8), (200, 40, 40))
    turned = means(red, preprocess, jitter=1.0, hue=0.5).mean((2, 3))
    assert {int(colour.argmax()) for colour in turned} == {0, 1, 2}
    assert (turned.amax(1) - 200).abs().max() <= 3
    assert (turned.amin(1) - 40).abs().max() <= 3


def test_blur_and_rotation(picture: Image.Image, preprocess: Preprocess) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    assert means(noise, preprocess, 5, blur=1.0).flatten(1).std(1).max() < means(noise, preprocess, 1).std()
    turned = means(Image.new("RGB", (8, 8)), preprocess, rotation=45.0)
    assert turned[:, :, 4, 4].max() == 0
    assert turned[:, :, 0, 0].max() == 255  # the corner is the white background


def test_local_crops_have_whole_patches() -> None:
    recipe = Augmentation(scale=(0.1, 0.4), size=0.43)
    assert [recipe.output_size(224, 16), recipe.output_size(64, 8), recipe.output_size(16, 16), recipe.output_size(224)] == [96, 24, 16, 96]
    assert Augmentation().output_size(65, 8) == 65


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": (0.5, 1.5)}, "scale must be two positive numbers in rising order at most 1, got"),
        ({"scale": (0.0, 1.0)}, "scale"),
        ({"ratio": (2.0, 1.0)}, "ratio"),
        ({"flip": 1.5}, r"flip must lie in \[0, 1\], got 1.5"),
        ({"hue": 0.6}, r"hue must lie in \[0, 0.5\]"),
        ({"brightness": -0.1}, "brightness"),
        ({"size": 0.0}, "size"),
        ({"size": 0.5}, "needs a scale"),
        ({"blur_sigma": (0.0, 1.0)}, "blur_sigma"),
        ({"rotation": 200.0}, "rotation"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("file", sorted((ROOT / "conf/augmentation").glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_recipes_build_and_keep_their_promise(file: Path, picture: Image.Image) -> None:
    recipes = {name: build(node, f"augmentation.{name}") for name, node in yaml.safe_load(file.read_text()).items()}
    assert set(recipes) == {"plain", "weak", "strong", "local"}
    for recipe in recipes.values():
        size = recipe.output_size(64, 8)
        assert look(recipe, picture, size, Preprocess(image_size=64), Random(0)).shape == (3, size, size)
        if file.stem in ("shapes", "medical"):
            assert recipe.flip == recipe.hue == 0
