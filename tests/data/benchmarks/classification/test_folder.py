"""Class folders against torchvision's `ImageFolder`, and where this one knows better; pictures of every kind of pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from concord.data.benchmarks.classification import LabelledFolder, LabelledNames
from concord.errors import ConfigError, DataError
from concord.images import decode
from concord.vocabularies import class_names, imagenet_labels, wordnet_ids
from tests.data.benchmarks.classification.drawn import write_picture
from tests.data.benchmarks.classification.folder_layouts import busi, corrupted, folders, pcam_pictures


def files(reader: LabelledFolder | LabelledNames) -> list[tuple[str, int]]:
    return [(reader.key(index), reader[index].metadata["label"]) for index in range(len(reader))]


def test_sorted_folders_are_labelled_as_by_torchvision(tmp_path: Path) -> None:
    folders(tmp_path, "data", ["tabby_cat", "Dog", "10", "2"], each=2)
    write_picture(tmp_path / "data/Dog/deeper/still/x.PNG")
    write_picture(tmp_path / "data/beside.jpg")
    (tmp_path / "data/Dog/notes.txt").write_text("no picture")
    ours, theirs = LabelledFolder(str(tmp_path / "data")), ImageFolder(str(tmp_path / "data"))
    assert sorted(files(ours)) == sorted((str(Path(file).relative_to(tmp_path / "data")), label) for file, label in theirs.samples)
    assert ours.class_names == ["10", "2", "Dog", "tabby cat"]
    assert ours.name == "data"
    assert ours.location(0) == str(tmp_path / "data" / ours.key(0))


def test_a_folder_without_pictures_would_shift_the_labels(tmp_path: Path) -> None:
    folders(tmp_path, "data", ["a", "c"])
    (tmp_path / "data/b").mkdir()
    with pytest.raises(DataError, match="no image in class folder b"):
        LabelledFolder(str(tmp_path / "data"))
    assert files(LabelledFolder(str(tmp_path / "data"), folders=["c", "a"])) == [("a/a_0.jpg", 1), ("c/c_0.jpg", 0)]


def test_numbered_folders_are_their_labels(tmp_path: Path) -> None:
    folders(tmp_path, "v2", ["0", "1", "2", "10"], ".jpeg")
    reader = LabelledFolder(str(tmp_path / "v2"), folders="numbered", class_names="imagenet1k")
    assert dict(files(reader)) == {f"{label}/{label}_0.jpeg": label for label in (0, 1, 2, 10)}
    assert reader.metadata(2)["class_name"] == class_names("imagenet1k")[reader.labels[2]]


@pytest.mark.parametrize(
    ("names", "message"),
    [(None, "class_names must be given where folders is numbered"), (["a"] * 10, r"10 is no label in \[0, 9\]")],
)
def test_numbered_folders_need_names(tmp_path: Path, names: list[str] | None, message: str) -> None:
    folders(tmp_path, "v2", ["0", "10"])
    with pytest.raises(ConfigError, match=message):
        LabelledFolder(str(tmp_path / "v2"), folders="numbered", class_names=names)


def test_wordnet_ids_choose_folders_and_names(tmp_path: Path) -> None:
    some = imagenet_labels("imagenet_a")[:3]
    folders(tmp_path, "val", [wordnet_ids()[label] for label in (*some, 0)], ".JPEG")
    whole = LabelledFolder(str(tmp_path / "val"), folders="imagenet1k")
    assert sorted(whole.labels.tolist()) == [0, *some]
    assert whole.class_names == list(class_names("imagenet1k"))
    part = LabelledFolder(str(tmp_path / "val"), folders="imagenet_a")
    assert part.labels.tolist() == [0, 1, 2]
    assert part.class_names[:3] == [class_names("imagenet1k")[label] for label in some]
    with pytest.raises(ConfigError, match="imagenet_b is neither a list nor one of sorted, numbered"):
        LabelledFolder(str(tmp_path / "val"), folders="imagenet_b")
    with pytest.raises(DataError, match="none of its folders is one of the 2 classes, such as cat"):
        LabelledFolder(str(tmp_path / "val"), folders=["cat", "dog"])


def test_levels_above_the_classes_are_known_of_each_picture(tmp_path: Path) -> None:
    corrupted(tmp_path)
    reader = LabelledFolder(str(tmp_path / "imagenet-c"), folders="imagenet1k", levels=["corruption", "severity"])
    known = {(row["corruption"], row["severity"], row["label"]) for row in map(reader.metadata, range(len(reader)))}
    assert known == {
        (corruption, severity, label) for corruption in ("fog", "gaussian_noise") for severity in ("1", "5") for label in (0, 1)
    }
    same = LabelledFolder(str(tmp_path / "imagenet-c/fog/1"), folders="imagenet1k", name="c")
    assert same != LabelledFolder(str(tmp_path / "imagenet-c/fog/5"), folders="imagenet1k", name="c")


def test_masks_between_the_pictures_are_left_out(tmp_path: Path) -> None:
    busi(tmp_path)
    reader = LabelledFolder(str(tmp_path / "busi/Dataset_BUSI_with_GT"), exclude=["*_mask*"])
    assert files(reader) == [(f"{name}/{name} (1).png", label) for label, name in enumerate(("benign", "malignant", "normal"))]


def test_what_is_no_folder_of_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder on this machine"):
        LabelledFolder(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"no image in it; looked for \.jpg"):
        LabelledFolder(str(tmp_path))


def test_classes_in_names_of_files(tmp_path: Path) -> None:
    pcam_pictures(tmp_path)
    place = str(tmp_path / "unimed/PCam_Test_preprocessed")
    reader = LabelledNames(place, r"_(?P<label>[01])\.png$", ["0", "1"], ["normal", "metastasis"])
    assert files(reader) == [("0_0.png", 0), ("1_1.png", 1), ("2_1.png", 1), ("3_0.png", 0)]
    assert LabelledNames(place, r"_(?P<label>[01])\.png$", ["1", "0"]).labels.tolist() == [1, 0, 0, 1]
    assert LabelledNames(place, r"^(?P<label>\d)_").class_names == ["0", "1", "2", "3"]
    with pytest.raises(DataError, match="finds no class in the names of its 4 images"):
        LabelledNames(place, r"(?P<label>x)")
    with pytest.raises(ValueError, match="pattern must have a group"):
        LabelledNames(place, "png")
    with pytest.raises(ValueError, match="pattern must be a regular expression"):
        LabelledNames(place, "(")


def _palette(image: Image.Image) -> Image.Image:
    return image.quantize(4)


def _rotated(image: Image.Image) -> tuple[Image.Image, dict[str, Image.Exif]]:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    return image.transpose(Image.Transpose.ROTATE_90), {"exif": exif}


@pytest.mark.parametrize(
    ("suffix", "stored"),
    [
        ("png", _palette),
        ("png", lambda image: image.convert("LA")),
        ("png", lambda image: image.convert("L")),
        ("tif", lambda image: image.convert("CMYK")),
        ("png", _rotated),
    ],
    ids=["P", "LA", "L", "CMYK", "EXIF"],
)
def test_pictures_of_every_kind_become_upright_rgb(tmp_path: Path, suffix: str, stored: Callable[..., object]) -> None:
    square = np.zeros((8, 8, 3), dtype=np.uint8)
    square[:4] = 255
    made = stored(Image.fromarray(square))
    image, options = made if isinstance(made, tuple) else (made, {})
    assert isinstance(image, Image.Image)
    buffer = io.BytesIO()
    image.save(buffer, {"png": "PNG", "tif": "TIFF"}[suffix], **options)
    (tmp_path / "a").mkdir()
    (tmp_path / f"a/x.{suffix}").write_bytes(buffer.getvalue())
    seen = np.asarray(decode(LabelledFolder(str(tmp_path))[0].image))
    assert seen.shape == (8, 8, 3)
    assert np.abs(seen.astype(int) - square).max() <= 1
