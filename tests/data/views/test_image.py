from __future__ import annotations

from random import Random

import pytest
import torch
from PIL import Image

from concord.data import Augmentation, BadSample
from concord.data.views import ImageViews
from concord.images import Decoded, Encoded, Preprocess, decode
from concord.types import ImageView, Pair
from tests.images.pictures import encoded, png_header, psnr, smooth

RECIPES = {
    "plain": Augmentation(),
    "weak": Augmentation(scale=(0.9, 1.0), flip=0.5),
    "turned": Augmentation(scale=(0.9, 1.0), rotation=20.0),
    "local": Augmentation(scale=(0.1, 0.12), ratio=(1.0, 1.0), size=0.8),  # of 600 x 500 pixels, a box of 173 to 190
}


def views(*recipes: str, size: int = 32, count: int = 1, **options) -> ImageViews:
    return ImageViews({name: ImageView(name, count) for name in recipes}, RECIPES, Preprocess(size), **options)


def pair(image: bytes) -> Pair:
    return Pair(image, ("a",), "k")


@pytest.fixture
def shrinks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By how much pictures were shrunk while they were decoded."""
    seen: list[int] = []
    whole = Encoded.decode

    def decode(self: Encoded, shrink: int = 1) -> Decoded:
        decoded = whole(self, shrink)
        seen.append(decoded.shrink)
        return decoded

    monkeypatch.setattr(Encoded, "decode", decode)
    return seen


@pytest.mark.parametrize(
    ("recipes", "shrink"), [(["weak"], 8), (["local"], 4), (["weak", "local"], 4), (["weak", "plain"], 1), (["turned"], 1)]
)
def test_a_picture_is_decoded_once_as_small_as_all_its_views_allow(recipes: list[str], shrink: int, shrinks: list[int]) -> None:
    views(*recipes, count=2).draw(pair(encoded(smooth(600, 500), "JPEG")), 0, 0)
    assert shrinks == [shrink]


def test_views_do_not_depend_on_how_small_the_picture_is_decoded() -> None:
    """The same crop, with and without another view that needs every pixel, and from a format that gives every pixel."""
    image = smooth(600, 500)
    photograph = pair(encoded(image, "JPEG", quality=95))
    alone = views("weak", count=4).draw(photograph, 1, 2)["weak"]
    beside = views("weak", "plain", count=4).draw(photograph, 1, 2)["weak"]
    lossless = views("weak", count=4).draw(pair(encoded(image)), 1, 2)["weak"]
    for first, second, third in zip(alone, beside, lossless, strict=True):
        assert min(psnr(first, second), psnr(first, third)) >= 40
    assert psnr(alone[0], alone[1]) < 30


def test_the_same_visit_gives_the_same_pixels() -> None:
    image = pair(encoded(smooth(300, 200), "JPEG"))
    first, again = (views("weak", "local", seed=3).draw(image, 1, 5) for _ in range(2))
    other, elsewhere = views("weak", "local", seed=3).draw(image, 2, 5), views("weak", "local", seed=3).draw(image, 1, 6)
    assert all(torch.equal(first[name][0], again[name][0]) for name in first)
    assert not any(torch.equal(first["local"][0], drawn["local"][0]) for drawn in (other, elsewhere))


def test_a_whole_view_is_what_evaluation_sees() -> None:
    data = encoded(smooth(300, 200), "JPEG")
    assert torch.equal(views("plain", "local").draw(pair(data), 0, 0)["plain"][0], Preprocess(32)(data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photographs_give_upright_views(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(smooth(320, 240), "JPEG", exif=exif, quality=95)
    upright = encoded(decode(data))  # PNG: no orientation, every pixel
    assert psnr(views("weak").draw(pair(data), 0, 0)["weak"][0], views("weak").draw(pair(upright), 0, 0)["weak"][0]) >= 40


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (2, 3)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pictures_of_any_shape(size: tuple[int, int], kind: str) -> None:
    data = pair(encoded(Image.new("RGB", size, (20, 120, 220)), kind))
    for name, drawn in views(*RECIPES, size=24).draw(data, 0, 0).items():
        side = 19 if name == "local" else 24
        assert drawn[0].shape == (3, side, side)
        assert name == "turned" or (drawn[0].float().mean((1, 2)) - torch.tensor([20.0, 120.0, 220.0])).abs().max() <= 4


@pytest.mark.parametrize(
    "content",
    [b"", b"<!DOCTYPE html><html></html>", encoded(smooth(90, 60), "JPEG")[:400], png_header(12_000, 12_000), png_header(90_000, 90_000)],
    ids=["empty", "html", "truncated", "large", "bomb"],
)
def test_what_cannot_be_decoded_is_a_bad_sample(content: bytes) -> None:
    with pytest.raises(BadSample, match="k: image cannot be decoded") as caught:
        views("weak").draw(pair(content), 0, 0)
    assert caught.value.cause == "image cannot be decoded"


def test_draws_depend_on_the_size_alone() -> None:
    recipe = RECIPES["local"]
    assert recipe.draw(640, 480, 96, Random(4)) == recipe.draw(640, 480, 96, Random(4)) != recipe.draw(640, 480, 96, Random(5))
