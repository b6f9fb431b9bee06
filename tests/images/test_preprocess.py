from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from concord.images import Preprocess, to_tensor
from tests.images.pictures import picture


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.sampled_from(["bicubic", "bilinear"]))
def test_crop_equals_torchvision(width: int, height: int, size: int, interpolation: str) -> None:
    image = picture(width, height)
    if max(width, height) > 8 * min(width, height):
        return
    mode = transforms.InterpolationMode(interpolation)
    expected = transforms.CenterCrop(size)(transforms.Resize(size, mode)(image))
    got = Preprocess(size, interpolation=interpolation)(image)  # type: ignore[arg-type]
    assert torch.equal(got, transforms.PILToTensor()(expected))


@pytest.mark.parametrize(("spare", "left"), [(0, 0), (1, 0), (2, 1), (3, 1), (7, 3)])
def test_the_centre_may_be_rounded_down(spare: int, left: int) -> None:
    columns = np.broadcast_to(np.arange(8 + spare, dtype=np.uint8)[None, :, None], (8, 8 + spare, 3))
    assert Preprocess(8, "crop", centre="floor")(columns)[0, 0].tolist() == list(range(left, left + 8))


@pytest.mark.parametrize("resize", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (1, 50_000), (50_000, 1), (3, 2), (500, 333)])
def test_every_shape_becomes_the_square(resize, size: tuple[int, int]) -> None:
    tensor = Preprocess(32, resize)(Image.new("RGB", size, (10, 200, 30)))
    assert tensor.shape == (3, 32, 32)
    assert tensor.dtype == torch.uint8
    assert tensor.is_contiguous()
    assert tensor[:, 15, 15].tolist() == [10, 200, 30]


def test_pad_fills_with_the_background() -> None:
    tensor = Preprocess(16, "pad", background=(1, 2, 3))(Image.new("RGB", (40, 20), (250, 250, 250)))
    assert (tensor[:, :4] == torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None]).all()
    assert (tensor[:, 4:12] == 250).all()
    assert (tensor[:, 12:] == torch.tensor([1, 2, 3], dtype=torch.uint8)[:, None, None]).all()


def test_squash_keeps_everything() -> None:
    image = Image.new("RGB", (64, 8), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 8, 8))
    assert Preprocess(8, "squash", "bilinear")(image)[0, :, 0].min() > 200
    assert Preprocess(8, "crop", "bilinear")(image).max() == 0


def test_to_tensor_is_channels_first() -> None:
    image = picture(5, 4)
    assert torch.equal(to_tensor(image), torch.from_numpy(np.array(image)).permute(2, 0, 1))


def test_round_trip_through_a_dictionary() -> None:
    preprocess = Preprocess(96, "pad", "lanczos", (1, 2, 3), 10_000)
    assert Preprocess.from_dict(json.loads(json.dumps(preprocess.to_dict()))) == preprocess
    with pytest.raises(ValueError, match="colour"):
        Preprocess.from_dict({**preprocess.to_dict(), "colour": 1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_size": 0}, "image_size must be at least 1, got 0"),
        ({"resize": "stretch"}, "resize must be one of crop, squash, pad, got 'stretch'"),
        ({"centre": "left"}, "centre must be one of round, floor, got 'left'"),
        ({"interpolation": "cubic"}, "interpolation must be one of"),
        ({"background": (0, 0)}, r"background must be three numbers in 0..255, got \[0, 0\]"),
        ({"background": (0, 0, 256)}, "background"),
        ({"max_pixels": 0}, "max_pixels"),
    ],
)
def test_wrong_settings(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocess(**arguments)
