"""Turned and mirrored copies are found by how they look; a perceptual hash does not find them."""

from __future__ import annotations

import io
from pathlib import Path

import imagehash
import numpy as np
import pytest
from PIL import Image
from scipy.sparse.csgraph import connected_components

from concord.data.medical.looks import ZOOMS, alike, look_of
from concord.errors import DataError
from tests.data.medical.layouts.tissue_fixtures import drawn_copies

ORIGINALS, COPIES = 10, 8


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """Eight copies of each of ten drawn slides, made as those of LC25000."""
    folder = tmp_path_factory.mktemp("looks")
    drawn_copies(folder, ["tissue"], ORIGINALS, COPIES)
    return [Image.open(file).convert("RGB") for file in sorted(folder.rglob("*.jpeg"))]


def is_grouped(groups: np.ndarray) -> bool:
    """Whether all copies of an original are in one group, and no group has copies of two."""
    own = np.repeat(np.arange(ORIGINALS), COPIES)
    return len(np.unique(groups)) == ORIGINALS and len({*zip(groups.tolist(), own.tolist(), strict=True)}) == ORIGINALS


@pytest.mark.parametrize("distance", [0.28, 0.3, 0.32])
def test_copies_are_found(pictures: list[Image.Image], distance: float) -> None:
    assert is_grouped(alike(np.stack([look_of(picture) for picture in pictures]), distance))


def test_no_distance_of_perceptual_hashes_finds_them(pictures: list[Image.Image]) -> None:
    hashes = np.stack([imagehash.phash(picture).hash.ravel() for picture in pictures])
    apart = (hashes[:, None] != hashes).sum(axis=-1)
    assert not any(is_grouped(connected_components(apart <= distance, directed=False)[1]) for distance in range(64))


def test_a_look_is_that_of_the_mirrored_and_turned_picture(pictures: list[Image.Image]) -> None:
    look = look_of(pictures[0])
    for turn in Image.Transpose:  # mirrors and quarter turns
        assert np.abs(look_of(pictures[0].transpose(turn)) - look).max() < 1e-3
    assert look.shape == (len(ZOOMS), 150)
    assert np.abs(look_of(pictures[COPIES]) - look).max() > 0.02


def test_groups_are_the_linked_ones() -> None:
    rng = np.random.default_rng(0)
    single = np.repeat([[0.0], [1.0], [1.1], [1.2], [5.0]], 4, axis=0) + rng.normal(0, 1e-3, (20, 1))
    looks = np.repeat(single[:, None], 2, axis=1).astype(np.float32)
    linked = alike(looks, 0.11 / single.std())
    assert len(np.unique(linked)) == 3
    assert len(np.unique(linked[4:16])) == 1
    assert len(np.unique(alike(looks, 0.02 / single.std()))) == 5


def test_another_zoom_is_enough() -> None:
    looks = np.zeros((4, 2, 3), dtype=np.float32)
    looks[:, 0] = np.arange(4)[:, None] * 10
    looks[:, 1] = looks[:, 0]
    looks[1, 1] = looks[0, 0]  # zoomed in, the second picture shows what the first does
    assert alike(looks, 0.01).tolist() == [0, 0, 1, 2]


def test_more_pictures_than_are_compared_at_a_time(monkeypatch: pytest.MonkeyPatch, pictures: list[Image.Image]) -> None:
    looks = np.stack([look_of(picture) for picture in pictures[:24]])
    whole = alike(looks, 0.3)
    monkeypatch.setattr("concord.data.medical.looks.TILE", 5)
    assert (alike(looks, 0.3) == whole).all()


def test_encoded_pictures_of_any_shape_and_what_is_none(tmp_path: Path) -> None:
    for size in ((40, 200), (1, 1)):
        buffer = io.BytesIO()
        Image.new("L", size, 99).save(buffer, "PNG")
        assert np.isfinite(look_of(buffer.getvalue())).all()
    with pytest.raises(DataError, match="cannot decode"):
        look_of(b"no picture")
