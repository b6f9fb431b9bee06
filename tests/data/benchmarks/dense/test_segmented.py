"""Masks in folders: palettes, numbers of classes, lists, and files that are not what they should be."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from concord.data.benchmarks.dense import SegmentedFolder
from concord.errors import ConfigError, DataError
from concord.images import decode, decode_mask
from concord.items import IGNORED
from tests.data.benchmarks.dense_fixtures import FIXTURES, bands, encode_image, encode_mask, write

NUMBERS = bands([0, 3, 9, 255], 64)
NAMES = ["a", "b"]


def folder(path: Path, mask: bytes = b"", name: str = "x") -> Path:
    write(path / "JPEGImages" / f"{name}.jpg", encode_image(NUMBERS, ".jpg"))
    write(path / "SegmentationClass" / f"{name}.png", mask or encode_mask(NUMBERS, palette=True))
    write(path / "ImageSets/Segmentation/val.txt", f"{name}\n".encode())
    return path


def read(path: Path, **options: Any) -> SegmentedFolder:
    return SegmentedFolder(str(path), **{"class_names": NAMES, **options})


def stored(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"class_names": list("abcdefghij")}, [0, 3, 9, IGNORED]),
        ({"class_names": list("abcdefghi"), "first": 1}, [IGNORED, 2, 8, IGNORED]),
        ({"values": [9, 3]}, [IGNORED, 1, 0, IGNORED]),
        ({"values": [9, 3], "rest": 1}, [1, 1, 0, IGNORED]),
        ({"values": [-1, 3], "rest": 0}, [0, 1, 0, IGNORED]),
        ({}, [0, IGNORED, IGNORED, IGNORED]),
    ],
)
@pytest.mark.parametrize("palette", [True, False])
def test_numbers_become_classes(options: dict[str, Any], expected: list[int], palette: bool, tmp_path: Path) -> None:
    mask = read(folder(tmp_path, encode_mask(NUMBERS, palette)), **options).mask(0)
    assert mask.dtype == np.uint8
    assert mask.shape == (64, 64)
    assert mask[5, ::16].tolist() == expected


def test_a_palette_is_read_by_its_places_and_not_by_its_colours(tmp_path: Path) -> None:
    content = encode_mask(NUMBERS, palette=True)
    assert (decode_mask(content) == NUMBERS).all()
    assert np.unique(np.asarray(decode(content))[..., 0]).tolist() != [0, 3, 9, 255]


def test_voc_without_its_background(tmp_path: Path) -> None:
    FIXTURES["voc20"](tmp_path)
    reader = read(tmp_path / "VOCdevkit/VOC2012", class_names="voc20", first=1, name="voc20")
    assert [reader.images[index].key for index in range(3)] == ["2007_000033.jpg", "2007_000042.jpg", "2011_003276.jpg"]
    assert reader.mask(0)[0, ::80].tolist() == [IGNORED, 0, 14, IGNORED, IGNORED]
    assert reader.class_names[14].startswith("person, person in shirt")
    assert decode(reader.images[1].image).size == reader.mask(1).shape == (336, 336)


def test_images_are_found_in_folders_of_folders(tmp_path: Path) -> None:
    FIXTURES["cityscapes"](tmp_path)
    (tmp_path / "cityscapes/leftImg8bit/val/readme.txt").write_text("no image")
    sides = {"images": "leftImg8bit/val", "masks": "gtFine/val", "image_suffix": "_leftImg8bit.png", "mask_suffix": "_gtFine_labelIds.png"}
    reader = read(tmp_path / "cityscapes", values=[7, 26], split=None, **sides)
    keys = [reader.images[index].key for index in range(len(reader.images))]
    assert keys == ["frankfurt/frankfurt_000000_000294_leftImg8bit.png", "munster/munster_000000_000019_leftImg8bit.png"]
    assert set(np.unique(reader.mask(0))) == {0, 1, IGNORED}


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (stored(Image.new("RGB", (4, 4))), "a mask must have a palette or 8 bits of grey, got a picture of mode RGB"),
        (stored(Image.fromarray(np.zeros((4, 4), dtype=np.uint16))), "got a picture of mode I;16"),
        (b"no picture", "not a JPEG"),
        (encode_mask(NUMBERS, palette=True)[:-40], "cannot decode"),
    ],
)
def test_a_broken_mask_is_named(mask: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as error:
        read(folder(tmp_path, mask)).mask(0)
    assert str(error.value).startswith(f"{tmp_path}/SegmentationClass/x.png: ")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"val\.txt"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match="JPEGImages is no folder of this machine; set split"):
        read(tmp_path / "nowhere", split=None)
    folder(tmp_path)
    with pytest.raises(DataError, match=r"x\.png is not there, nor any other image of mine; are path, images and image_suffix right"):
        read(tmp_path, image_suffix=".png", name="mine")
    (tmp_path / "SegmentationClass/x.png").unlink()
    with pytest.raises(DataError, match=r"SegmentationClass/x\.png: image file not found; are masks and mask_suffix right"):
        read(tmp_path).mask(0)
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text("\n")
    with pytest.raises(DataError, match="no image in it"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": [1]}, "values must hold 2 numbers, one for each class"),
        ({"values": [1, 2], "first": 1}, "and first be 0; got 2, first=1"),
        ({"values": [1, 1]}, "a number of its own"),
        ({"values": [1, 255]}, r"in \[0, 254\]"),
        ({"first": 254}, r"in \[0, 254\]"),
        ({"rest": 2}, r"rest must be a class in \[0, 1\]"),
        ({"class_names": "voc22"}, "did you mean voc2"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(folder(tmp_path), **options)


def test_the_fingerprint_follows_the_images_and_the_classes(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "1"), folder(tmp_path / "2", name="y")
    prints = [read(first), read(second), read(first, first=1), read(first, class_names=["a", "c"])]
    assert len({reader.fingerprint() for reader in prints}) == 4
    assert read(first).fingerprint() == prints[0].fingerprint()
