from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from concord.data.views.augment import draw_box
from concord.images import Box, Decoded, Encoded, Interpolation, decode, most_shrink, on_grid, resample, to_tensor
from concord.images.resampling import MARGINS
from tests.images.pictures import encoded, photographs, picture, psnr, smooth

PHOTOGRAPHS = photographs()
SCALES = {"clip": (0.9, 1.0), "natural": (0.5, 1.0), "simclr": (0.08, 1.0), "local": (0.05, 0.4)}


def plain(image: Image.Image, box: Box, size: int, interpolation: str = "bicubic") -> torch.Tensor:
    """Pillow's crop of the whole picture."""
    return to_tensor(image.crop(box).resize((size, size), Image.Resampling[interpolation.upper()]))


@pytest.mark.parametrize("path", PHOTOGRAPHS, ids=[path.stem for path in PHOTOGRAPHS])
@pytest.mark.parametrize("scale", SCALES.values(), ids=list(SCALES))
@pytest.mark.parametrize("size", [64, 96, 112, 160, 224])
def test_crops_of_photographs_are_those_of_pillow(path, scale: tuple[float, float], size: int) -> None:
    """At least 35 dB each: the target of the project."""
    data = path.read_bytes()
    whole, rng = decode(data), Random(f"{path.stem}/{scale}/{size}")
    shrunk = {shrink: Encoded(data).decode(shrink) for shrink in (1, 2, 4, 8)}
    for _ in range(30):
        box = draw_box(*whole.size, scale, (3 / 4, 4 / 3), rng)
        shrink = most_shrink(box, size)
        box = on_grid(box, shrink, *whole.size)
        assert psnr(resample(shrunk[shrink], box, size, "bicubic"), plain(whole, box, size)) >= 35


@pytest.mark.skipif(not PHOTOGRAPHS, reason="no photograph is installed")
def test_photographs_are_decoded_smaller_for_small_views() -> None:
    used = set()
    for path in PHOTOGRAPHS:
        width, height = Encoded(path.read_bytes()).size
        used |= {most_shrink((0, 0, width, height), size) for size in (224, 96, 64, 32)}
    assert used == {1, 2, 4, 8}


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.sampled_from(["bicubic", "bilinear", "lanczos"]), st.integers())
def test_any_box_is_resized_as_by_pillow(width: int, height: int, size: int, interpolation: Interpolation, seed: int) -> None:
    """Torch resizes rows before columns and Pillow not always, with 8 bits between; noise, whose overshoots are cut there, tells."""
    box = draw_box(width, height, (0.1, 1.0), (1 / 4, 4), Random(seed))
    for image, most in ((smooth(width, height), 3), (picture(width, height), 40)):
        got = resample(Decoded(image), box, size, interpolation)
        difference = (got.int() - plain(image, box, size, interpolation).int()).abs()
        assert (got.shape, got.dtype, got.is_contiguous()) == ((3, size, size), torch.uint8, True)
        assert difference.max() <= most
        assert difference.float().mean() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(320, 240), (324, 244), (323, 241)])
def test_every_orientation_gives_the_same_crop_at_every_size(orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(smooth(*size), "JPEG", exif=exif, quality=95)
    whole = decode(data)
    for shrink in (1, 2, 4, 8):
        width, height = whole.size
        box = on_grid((13, 21, width - 40, height - 3), shrink, width, height)
        assert psnr(resample(Encoded(data).decode(shrink), box, 16, "bicubic"), plain(whole, box, 16)) >= 40


@given(st.integers(8, 3000), st.integers(8, 3000), st.integers(1, 256), st.integers())
def test_boxes_on_the_grid(width: int, height: int, size: int, seed: int) -> None:
    box = draw_box(width, height, (0.05, 1.0), (3 / 4, 4 / 3), Random(seed))
    shrink = most_shrink(box, size)
    moved = on_grid(box, shrink, width, height)
    left, top, right, bottom = moved
    assert all(side % shrink == 0 for side in moved)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert max(abs(side - before) for side, before in zip(moved, box, strict=True)) < shrink
    assert shrink == 1 or min(right - left, bottom - top) >= (min(MARGINS.values()) * size - 1) * shrink
    assert moved == box or shrink > 1


def test_shrinking_keeps_more_pixels_than_asked_for() -> None:
    assert [most_shrink((0, 0, side, 4000), 100) for side in (50, 249, 250, 519, 520, 1079, 1080, 9000)] == [1, 1, 2, 2, 4, 4, 8, 8]
