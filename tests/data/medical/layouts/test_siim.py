"""SIIM-ACR in its exact layout, and its masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.medical import MedicalImages
from concord.data.medical.layouts.siim import SIDE, SIIMPneumothorax, mask_of
from concord.data.medical.layouts.siim_masks import SIIMMasks
from concord.data.medical.layouts.stratified import StratifiedSplit
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError
from tests.data.medical.layouts.siim_fixtures import ASKED, COUNT, MASKED, encoded, image_of, masks_of, rectangle, siim, siim_masks

LISTS: dict[str, Any] = {"parts": None, "lists": {"test": "test.txt"}}


def images(root: Path, split: Any = "all", **arguments: Any) -> MedicalImages:
    return MedicalImages(SIIMPneumothorax(str(root / "siim"), **{"parts": StratifiedSplit(), **arguments}), split)


@pytest.mark.parametrize(("name", "nothing"), [(" EncodedPixels", " -1"), (" EncodedPixels", "-1"), ("EncodedPixels", "-1")])
def test_every_release_says_the_same(name: str, nothing: str, tmp_path: Path) -> None:
    siim(tmp_path, 10, name, nothing)
    assert f"ImageId,{name}\n{image_of(0)},{nothing}\n" in (tmp_path / "siim/train-rle.csv").read_text()
    exams = list(images(tmp_path).exams)
    assert [exam.label for exam in exams] == [int(number in MASKED) for number in range(10)]
    assert [exam.image.rpartition("/")[2] for exam in exams] == [f"{image_of(number)}.dcm" for number in range(10)]
    assert exams[0].image.count("/") == 2


def test_two_masks_of_one_picture_are_one_example(tmp_path: Path) -> None:
    siim(tmp_path, 3)
    runs = SIIMPneumothorax(str(tmp_path / "siim"), parts=StratifiedSplit()).runs(Storage())
    assert [len(runs[image_of(number)]) for number in range(3)] == [0, 2, 0]
    assert len(images(tmp_path)) == 3


def test_parts_are_of_pictures_and_not_of_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    siim(tmp_path)
    splits: tuple[Any, ...] = ("train", "validation", "test")
    parts = [images(tmp_path, split).patients() for split in splits]
    assert sum(map(len, parts)) == len(set().union(*parts)) == COUNT
    assert "siim: two parts may share patients, as nothing says whose the pictures are" in caplog.text


def test_a_picture_of_the_table_that_is_not_there_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    siim(tmp_path, 3)
    next((tmp_path / "siim").rglob(f"{image_of(2)}.dcm")).unlink()
    assert len(images(tmp_path)) == 2
    assert "siim: 1 of 3 pictures in the table are not in the folder and left out" in caplog.text
    assert image_of(2) not in caplog.text


def test_pictures_that_were_unpacked_twice_are_refused(tmp_path: Path) -> None:
    siim(tmp_path, 2)
    file = next((tmp_path / "siim").rglob(f"{image_of(0)}.dcm"))
    (tmp_path / "siim/dicom-images-train" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(DataError, match="1 files have the name of another; is something unpacked twice"):
        images(tmp_path)


def test_runs_are_relative_and_go_down_the_columns() -> None:
    """Worked by hand: 3 pixels from the second row of column 0, and after a gap of 1022 two pixels from the third row of column 1."""
    mask = mask_of("1 3 1022 2")
    assert sorted(map(tuple, np.argwhere(mask).tolist())) == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1)]
    assert mask.shape == (SIDE, SIDE)
    assert np.array_equal(mask_of(encoded(rectangle(64, 32, 128, 64))), rectangle(64, 32, 128, 64))


@settings(max_examples=20, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 10_000)), max_size=20))
def test_any_runs_give_back_their_pixels(pairs: list[tuple[int, int]]) -> None:
    flat: list[int] = []
    for gap, length in pairs:
        flat += [0] * gap + [1] * length
    expected = np.array(flat + [0] * (SIDE**2 - len(flat)), dtype=bool).reshape(SIDE, SIDE).T
    assert np.array_equal(mask_of(" ".join(f"{gap} {length}" for gap, length in pairs)), expected)


@pytest.mark.parametrize("runs", ["1", "1 2 3", "1 -1", "1.5 2", "a b", "99999999999999999999 1"])
def test_other_text_is_refused(runs: str) -> None:
    with pytest.raises(DataError, match="a mask must be pairs of whole numbers"):
        mask_of(runs)
    with pytest.raises(DataError, match="does not fit into 1024 x 1024"):
        mask_of(f"{SIDE**2} 1")


def test_masks_of_the_pictures_of_a_list(tmp_path: Path) -> None:
    siim_masks(tmp_path)
    masks = SIIMMasks(images(tmp_path, "test", **LISTS), ["lung", "pneumothorax"])
    assert (masks.name, len(masks.images), masks.list_hash) == ("siim", len(ASKED), masks.images.list_hash)
    for index, number in enumerate(ASKED):
        assert np.array_equal(masks.mask(index), np.any(masks_of(number), axis=0).astype(np.uint8))
    assert masks.fingerprint() != SIIMMasks(images(tmp_path, "test", **LISTS), ["chest", "pneumothorax"]).fingerprint()


def test_a_picture_without_pneumothorax_has_an_empty_mask(tmp_path: Path) -> None:
    siim_masks(tmp_path)
    (tmp_path / "siim/test.txt").write_text(image_of(0))
    assert not SIIMMasks(images(tmp_path, "test", **LISTS), ["lung", "pneumothorax"]).mask(0).any()


def test_a_broken_mask_is_told_without_its_picture(tmp_path: Path) -> None:
    siim_masks(tmp_path)
    table = tmp_path / "siim/train-rle.csv"
    table.write_text(table.read_text().replace(f"{image_of(4)}, ", f"{image_of(4)},7 "))
    masks = SIIMMasks(images(tmp_path, "test", **LISTS), ["lung", "pneumothorax"])
    with pytest.raises(DataError, match=r"siim, [0-9a-f]{20}: a mask must be pairs"):
        masks.mask(1)


def test_masks_are_of_this_data_set(tmp_path: Path) -> None:
    siim_masks(tmp_path)
    own = images(tmp_path, "test", **LISTS)
    with pytest.raises(ConfigError, match="class_names must hold 2 names"):
        SIIMMasks(own, ["pneumothorax"])
    own.layout = object()  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="images must be of SIIMPneumothorax, got object"):
        SIIMMasks(own, ["lung", "pneumothorax"])
