from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.filters import threshold_li
from skimage.measure import label, regionprops

from concord.data.medical.images.fundus import FundusCrop
from tests.data.medical.images.test_decoder_conf import decoder
from tests.images.pictures import encoded


def photograph(height: int, width: int, centre: tuple[int, int], radius: int, seed: int = 0) -> np.ndarray:
    """A round field of view on a nearly black ground, with the name of a camera in a corner; uint8 [H, W, 3]."""
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2
    noise = np.random.default_rng(seed).integers(0, 8, (height, width, 3))
    picture = np.where(inside[..., None], np.array([180, 80, 40]) + noise, noise // 2).astype(np.uint8)
    picture[2:6, 2:14] = 255
    return picture


def test_the_field_of_view_stands_in_the_middle_of_a_square() -> None:
    picture = photograph(90, 140, (45, 80), 40)
    got = FundusCrop()(picture)
    assert got.shape == (81, 81, 3)
    assert np.array_equal(got, picture[5:86, 40:121])


def test_it_is_the_box_of_the_published_recipe() -> None:
    picture = photograph(100, 100, (40, 55), 30, seed=3)
    red = picture[..., 0]
    region = max(regionprops(label(red > threshold_li(red))), key=lambda found: found.area)
    top, left, bottom, right = region.bbox
    assert np.array_equal(FundusCrop()(picture), picture[top:bottom, left:right])


def test_a_cut_field_of_view_is_padded_on_both_sides() -> None:
    """As with cameras whose picture is wider than high: the field of view is cut above and below."""
    picture = photograph(60, 120, (30, 60), 40)
    got = FundusCrop()(picture)
    assert got.shape == (81, 81, 3)
    assert not got[:10].any()
    assert not got[-11:].any()
    assert np.array_equal(got[10:70], picture[:, 20:101])


def test_large_photographs_are_cut_to_within_the_step_of_the_search() -> None:
    picture = photograph(1500, 2100, (740, 1010), 600)
    got = FundusCrop()(picture)
    assert 1201 <= got.shape[0] == got.shape[1] <= 1201 + 2 * 4
    assert got[got.shape[0] // 2].min(axis=1).astype(int)[20:-20].min() > 30  # nothing of the field is missing in its middle


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_pictures_without_a_field_of_view_are_padded_whole(shade: int) -> None:
    picture = np.full((40, 60, 3), shade, dtype=np.uint8)
    got = FundusCrop()(picture)
    assert got.shape == (60, 60, 3)
    assert np.array_equal(got[10:50], picture)
    spot = np.zeros((40, 60, 3), dtype=np.uint8)
    spot[5:8, 5:8] = 200
    assert np.array_equal(FundusCrop()(spot)[10:50], spot)


def test_grey_pictures_stay_grey() -> None:
    assert FundusCrop()(photograph(90, 140, (45, 80), 40)[..., 0]).shape == (81, 81)


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match=r"least must lie in \[0, 1\], got 2"):
        FundusCrop(2)


def test_the_decoder_for_fundus_photographs_cuts_files(conf_folder: Path) -> None:
    picture = photograph(90, 140, (45, 80), 40)
    assert np.array_equal(decoder(conf_folder, "fundus")(encoded(Image.fromarray(picture))), picture[5:86, 40:121])
