"""torchvision's data sets against torchvision's own classes, on the same files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets as theirs
from scipy.io import savemat
from torchvision.datasets import fer2013 as fer2013_module
from torchvision.datasets import flowers102, mnist, stl10, svhn

from concord.data.benchmarks.classification import Torchvision
from concord.data.benchmarks.classification.torchvision_arrays import ALPHABETICAL, ARRAY_SETS
from concord.data.benchmarks.classification.torchvision_files import FILE_SETS
from concord.errors import ConfigError, DataError
from concord.images import decode
from tests.data.benchmarks.classification.drawn import pixels
from tests.data.benchmarks.classification.torchvision_layouts import as_idx, write_cifar
from tests.data.benchmarks.classification_fixtures import FIXTURES

CLASSES: dict[str, Callable[[str], Any]] = {
    "country211": lambda root: theirs.Country211(root, "test"),
    "dtd": lambda root: theirs.DTD(root, "test"),
    "eurosat": theirs.EuroSAT,
    "fer2013": lambda root: theirs.FER2013(root, "test"),
    "fgvc_aircraft": lambda root: theirs.FGVCAircraft(root, "test"),
    "flowers102": lambda root: theirs.Flowers102(root, "test"),
    "food101": lambda root: theirs.Food101(root, "test"),
    "gtsrb": lambda root: theirs.GTSRB(root, "test"),
    "mnist": lambda root: theirs.MNIST(root, train=False),
    "fashion_mnist": lambda root: theirs.FashionMNIST(root, train=False),
    "oxford_pets": lambda root: theirs.OxfordIIITPet(root, "test"),
    "rendered_sst2": lambda root: theirs.RenderedSST2(root, "test"),
    "stanford_cars": lambda root: theirs.StanfordCars(root, "test"),
    "stl10": lambda root: theirs.STL10(root, "test"),
    "sun397": theirs.SUN397,
    "svhn": lambda root: theirs.SVHN(root, "test"),
}


def make(tmp_path: Path, dataset: str, split: str | None = None) -> Torchvision:
    FIXTURES[f"torchvision_{dataset}"](tmp_path)
    splits = (FILE_SETS | ARRAY_SETS)[dataset].splits  # type: ignore[operator]
    return Torchvision(dataset, str(tmp_path / "torchvision"), split or ("test" if "test" in splits else "all"))  # type: ignore[arg-type]


def seen(image: Any) -> bytes:
    return np.asarray(decode(image)).tobytes()


@pytest.mark.parametrize("dataset", CLASSES)
def test_labels_and_pixels_are_torchvisions(dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fer2013_module, flowers102, mnist, stl10, svhn):  # the fixtures are not the published files
        monkeypatch.setattr(module, "check_integrity", lambda *_, **__: True)
    ours = make(tmp_path, dataset)
    for file in (tmp_path / "torchvision").glob("*/raw/*.gz"):  # torchvision reads the unpacked form alone
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
    expected = [(seen(image), label) for image, label in CLASSES[dataset](str(tmp_path / "torchvision"))]
    if dataset == "fer2013":
        expected = [(image, ALPHABETICAL[str(label)]) for image, label in expected]
    found = [(seen(ours[index].image), ours[index].metadata["label"]) for index in range(len(ours))]
    assert sorted(found) == sorted(expected) if dataset == "sun397" else found == expected


def test_every_data_set_has_a_fixture() -> None:
    assert {name.removeprefix("torchvision_") for name in FIXTURES if name.startswith("torchvision_")} == {*FILE_SETS, *ARRAY_SETS}


def test_caltech_keeps_the_class_of_backgrounds(tmp_path: Path) -> None:
    ours = make(tmp_path, "caltech101")
    assert sorted(ours.labels.tolist()) == list(range(102))
    assert (ours.metadata(0)["class_name"], ours.key(0)) == ("background", "BACKGROUND_Google/BACKGROUND_Google_0.jpg")
    assert (ours.metadata(1)["class_name"], ours.key(1)) == ("off-center face", "c000/c000_0.jpg")


@pytest.mark.parametrize(("dataset", "labels"), [("cifar10", [3, 9, 0]), ("cifar100", [99, 42, 0])])
def test_cifar_is_read_from_its_binary_version(tmp_path: Path, dataset: str, labels: list[int]) -> None:
    ours = make(tmp_path, dataset)
    assert ours.labels.tolist() == labels  # of CIFAR-100 the fine ones
    file = ours.key(0).partition("/")[0]
    assert (np.asarray(ours[1].image) == pixels(f"{file}/1", 32)).all()


def test_the_training_part_of_cifar_10_is_in_five_files(tmp_path: Path) -> None:
    files = [f"data_batch_{number}.bin" for number in range(1, 6)]
    write_cifar(tmp_path / "cifar-10-batches-bin", files, [[1], [2]])
    assert Torchvision("cifar10", str(tmp_path), "train").labels.tolist() == [1, 2] * 5


@pytest.mark.parametrize(("dataset", "folder"), [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")])
def test_cifar_is_not_unpickled(tmp_path: Path, dataset: Any, folder: str) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(DataError, match=f"{folder} holds pickles, which can run code .* download the binary version to"):
        Torchvision(dataset, str(tmp_path))


def test_other_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="split: dtd has no all; valid: train, val, test"):
        Torchvision("dtd", str(tmp_path), "all")
    with pytest.raises(ConfigError, match="split: sun397 has no test; valid: all"):
        Torchvision("sun397", str(tmp_path))
    with pytest.raises(ValueError, match="dataset must be one of caltech101, cifar10"):
        Torchvision("imagenet", str(tmp_path))  # type: ignore[arg-type]


@pytest.mark.parametrize("dataset", sorted({*FILE_SETS, *ARRAY_SETS}))
def test_missing_files_are_told_in_one_line(tmp_path: Path, dataset: Any) -> None:
    split = "all" if dataset in FILE_SETS and FILE_SETS[dataset].splits == ("all",) else "test"
    with pytest.raises(DataError, match=r"^[^\n]+(file not found|no such folder)[^\n]*$"):
        Torchvision(dataset, str(tmp_path), split)


def damage(tmp_path: Path, file: str, content: bytes | None) -> None:
    """Replace a file, or cut its end off."""
    path = tmp_path / "torchvision" / file
    path.write_bytes(content if content is not None else path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("dataset", "file", "content", "message"),
    [
        ("cifar10", "cifar-10-batches-bin/test_batch.bin", None, "no whole number of records of 3073"),
        ("mnist", "MNIST/raw/t10k-images-idx3-ubyte.gz", None, "it is not gzip, or its end is missing"),
        (
            "mnist",
            "MNIST/raw/t10k-images-idx3-ubyte.gz",
            gzip.compress(b"\0\0\x08\x01", mtime=0),
            "is no IDX file of bytes with 3 dimensions",
        ),
        ("mnist", "MNIST/raw/t10k-labels-idx1-ubyte", as_idx(np.zeros(9, np.uint8))[:-1], "8 values, its header promises 9"),
        ("mnist", "MNIST/raw/t10k-labels-idx1-ubyte", as_idx(np.zeros(5, np.uint8)), "6 images and 5 labels"),
        ("stl10", "stl10_binary/test_y.bin", bytes([1, 11, 4]), r"label 10 lies outside of \[0, 9\]"),
        ("svhn", "test_32x32.mat", b"no matlab", "cannot be read as a MATLAB file"),
        ("stanford_cars", "stanford_cars/devkit/cars_meta.mat", b"no matlab", "cannot be read as a MATLAB file"),
        ("fer2013", "fer2013/fer2013.csv", b"emotion,pixels,Usage\n1,1 2 3,PublicTest\n", "pixels must be 2304 numbers"),
        ("fer2013", "fer2013/fer2013.csv", b"emotion,pixels\n1,1\n", "has no column usage"),
        ("food101", "food-101/meta/test.json", b'{"apple_pie": "x"}', "expected a list of images for apple_pie"),
        ("food101", "food-101/meta/test.json", b'{"apple_pie": ["apple_pie/1000"]}', "1 classes, and 101 class names"),
        ("fgvc_aircraft", "fgvc-aircraft-2013b/data/images_variant_test.txt", b"1514522 Zeppelin\n", "lacks class 'Zeppelin'"),
        ("oxford_pets", "oxford-iiit-pet/annotations/test.txt", b"Abyssinian_201 x 1 1\n", "expected a class number, got 'x'"),
        ("oxford_pets", "oxford-iiit-pet/annotations/test.txt", b"Abyssinian_201 1\n", "expected IMAGE CLASS SPECIES BREED per line"),
        ("oxford_pets", "oxford-iiit-pet/annotations/test.txt", b"nobody_1 1 1 1\n", "none of its images is there"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, dataset: str, file: str, content: bytes | None, message: str) -> None:
    make(tmp_path, dataset)
    damage(tmp_path, file, content)
    with pytest.raises(DataError, match=message):
        Torchvision(dataset, str(tmp_path / "torchvision"))  # type: ignore[arg-type]


def test_labels_of_images_that_are_not_there_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "flowers102")
    savemat(tmp_path / "torchvision/flowers-102/setid.mat", {"tstid": np.array([[9]])})
    with pytest.raises(DataError, match=r"setid\.mat names image 9, and imagelabels.mat holds 4 labels"):
        Torchvision("flowers102", str(tmp_path / "torchvision"))


def test_mnist_is_found_compressed_and_not(tmp_path: Path) -> None:
    ours = make(tmp_path, "mnist")
    assert ours.labels.tolist() == [5, 4, 3, 2, 1, 0]
    assert (ours[2].image == pixels("MNIST/2", 28)[..., 0]).all()
