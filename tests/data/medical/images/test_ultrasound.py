from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from concord.data.medical.images.ultrasound import UltrasoundCrop
from tests.data.medical.images.test_decoder_conf import decoder
from tests.images.pictures import encoded


def screen(height: int = 300, width: int = 400, seed: int = 0) -> np.ndarray:
    """The screen of a machine: a banner of letters at the top, a fan of speckle, a scale at its right; uint8 [H, W]."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width), dtype=np.uint8)
    for left in range(10, width - 40, 14):
        picture[4:14, left : left + 6] = 220
    rows, columns = np.mgrid[:height, :width]
    fan = (np.abs(columns - 190) < 60 + 0.4 * (rows - 40)) & (rows >= 40) & (rows < 280)
    picture[fan] = rng.rayleigh(40, fan.sum()).clip(0, 255).astype(np.uint8)  # some speckle is as dark as the border
    picture[60:260:20, 370:380] = 200
    return picture


def test_banner_scale_and_border_go_and_the_scan_stays() -> None:
    picture = screen()
    got = UltrasoundCrop()(picture)
    assert got.shape == (240, 311)
    assert np.array_equal(got, picture[40:280, 35:346])


def test_colour_pictures_keep_their_channels() -> None:
    grey = screen(seed=1)
    colour = np.stack([grey, grey, np.zeros_like(grey)], axis=-1)
    got = UltrasoundCrop()(colour)
    assert np.array_equal(got[..., 0], UltrasoundCrop()(grey))


def test_large_pictures_are_cut_as_exactly() -> None:
    picture = screen().repeat(4, axis=0).repeat(4, axis=1)
    assert np.array_equal(UltrasoundCrop()(picture), UltrasoundCrop()(screen()).repeat(4, axis=0).repeat(4, axis=1))


def test_a_picture_that_is_all_scan_stays_as_it_is() -> None:
    full = np.random.default_rng(0).integers(30, 200, (50, 61), dtype=np.uint8)
    assert np.array_equal(UltrasoundCrop()(full), full)


def test_a_picture_without_a_scan_is_left_whole() -> None:
    empty, letters = np.zeros((40, 50), dtype=np.uint8), np.zeros((40, 50), dtype=np.uint8)
    letters[3:6, 3:9] = 255
    assert np.array_equal(UltrasoundCrop()(empty), empty)
    assert np.array_equal(UltrasoundCrop()(letters), letters)
    assert UltrasoundCrop(least=0.0)(letters).shape == (3, 6)


@pytest.mark.parametrize(("name", "value"), [("empty", 300), ("least", -0.1)])
def test_settings_are_checked(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must lie in"):
        UltrasoundCrop(**{name: value})  # type: ignore[arg-type]


def test_the_decoder_for_ultrasound_cuts_files(conf_folder: Path) -> None:
    got = decoder(conf_folder, "ultrasound")(encoded(Image.fromarray(screen())))
    assert np.array_equal(got[..., 0], screen()[40:280, 35:346])
