"""Where torchvision keeps the data sets that are made of one array of pictures, and how these are written.

Each function takes the folder that torchvision calls root, the split and a storage, and gives what is there. Nothing is
unpickled: CIFAR is read from its binary version.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from concord.data.readers.table_rows import SeparatedRows, TableFile
from concord.data.source import digest
from concord.data.storage.storage import Storage
from concord.errors import DataError


class Arrays(NamedTuple):
    """Pictures and classes of a data set.

    Attributes:
        images: uint8 [N, H, W] or [N, H, W, 3].
        labels: int64 [N].
        file: that the pictures come from.
        version: changes with the content.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    file: str
    version: str


class ArraySet(NamedTuple):
    """A data set of torchvision's that is one array.

    Attributes:
        splits: what it is divided into.
        read: reads one.
        names: the set of published class names in `concord.vocabularies`.
    """

    splits: Sequence[str]
    read: Callable[[Path, str, Storage], Arrays]
    names: str


CIFAR_ROW = 3 * 32 * 32
STL_ROW = 3 * 96 * 96
FER_SIDE = 48


def _cifar(root: Path, split: str, storage: Storage, folders: tuple[str, str], files: Mapping[str, Sequence[str]], targets: int) -> Arrays:
    """Records of `targets` class bytes, the last of them the finest, and a picture by channels."""
    place, pickled = (root / folder for folder in folders)
    if not place.is_dir() and pickled.is_dir():
        raise DataError(f"{pickled} holds pickles, which can run code when they are read; download the binary version to {place}")
    paths = [place / file for file in files[split]]
    rows = np.concatenate([_rows(path, storage, targets + CIFAR_ROW) for path in paths])
    images = rows[:, targets:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Arrays(images, rows[:, targets - 1].astype(np.int64), str(paths[0]), _version(paths, storage))


def _idx(root: Path, split: str, storage: Storage, folder: str) -> Arrays:
    part = {"train": "train", "test": "t10k"}[split]
    raw = root / folder / "raw"
    images, labels = (_either(raw / f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    numbers = _idx_values(labels, storage, 1).astype(np.int64)
    return Arrays(_idx_values(images, storage, 3), numbers, str(images), _version([images], storage))


def _stl10(root: Path, split: str, storage: Storage) -> Arrays:
    """Pictures by channels and columns, classes from 1."""
    folder = root / "stl10_binary"
    rows = _rows(folder / f"{split}_X.bin", storage, STL_ROW)
    labels = np.frombuffer(storage.read(str(folder / f"{split}_y.bin")), dtype=np.uint8).astype(np.int64) - 1
    images = rows.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
    return Arrays(images, labels, str(folder / f"{split}_X.bin"), _version([folder / f"{split}_X.bin"], storage))


def _svhn(root: Path, split: str, storage: Storage) -> Arrays:
    """The digit 0 is written as class 10."""
    file = root / f"{split}_32x32.mat"
    content = storage.read(str(file))
    try:
        found = loadmat(io.BytesIO(content), variable_names=["X", "y"])
        images, labels = np.asarray(found["X"]), np.asarray(found["y"]).reshape(-1).astype(np.int64)
        return Arrays(images.transpose(3, 0, 1, 2), labels % 10, str(file), _version([file], storage))
    except Exception as error:  # SciPy meets damaged files with errors of many classes
        raise DataError(f"{file} cannot be read as a MATLAB file with X and y: {' '.join(str(error).split())}") from None


def _fer2013(root: Path, split: str, storage: Storage) -> Arrays:
    """fer2013.csv, or icml_face_data.csv with spaces before its columns' names; the test part is the public and the private one.

    Its classes are numbered by their places in "angry, disgust, fear, happy, sad, surprise, neutral"; here by the alphabet,
    as the folders of CLIP_benchmark are.
    """
    folder = root / "fer2013"
    file = next((folder / name for name in ("fer2013.csv", "icml_face_data.csv") if (folder / name).is_file()), folder / "fer2013.csv")
    rows = SeparatedRows(TableFile(str(file), storage), ",")
    names = {name.strip().lower(): name for name in rows.columns}
    lacking = next((name for name in ("emotion", "pixels", "usage") if name not in names), None)
    if lacking is not None:
        raise DataError(f"{file} has no column {lacking}")
    wanted = ["Training"] if split == "train" else ["PublicTest", "PrivateTest"]
    cells = [rows.read(number, list(names.values())) for number in range(len(rows))]
    chosen = [row for row in cells if row[names["usage"]].strip() in wanted]
    images = np.array([_pixels(row[names["pixels"]], file) for row in chosen], dtype=np.uint8).reshape(-1, FER_SIDE, FER_SIDE)
    labels = [ALPHABETICAL.get(row[names["emotion"]].strip(), -1) for row in chosen]
    return Arrays(images, np.array(labels, dtype=np.int64), str(file), _version([file], storage))


ALPHABETICAL = {"0": 0, "1": 1, "2": 2, "3": 3, "6": 4, "4": 5, "5": 6}
"""FER2013's class numbers, with neutral before sad and surprised."""

CIFAR10_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
CIFAR100_FOLDERS = ("cifar-100-binary", "cifar-100-python")
CIFAR10 = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
CIFAR100 = {"train": ["train.bin"], "test": ["test.bin"]}
TRAIN_TEST = ("train", "test")

ARRAY_SETS: Mapping[str, ArraySet] = {
    "cifar10": ArraySet(TRAIN_TEST, partial(_cifar, folders=CIFAR10_FOLDERS, files=CIFAR10, targets=1), "cifar10"),
    "cifar100": ArraySet(TRAIN_TEST, partial(_cifar, folders=CIFAR100_FOLDERS, files=CIFAR100, targets=2), "cifar100"),
    "fashion_mnist": ArraySet(TRAIN_TEST, partial(_idx, folder="FashionMNIST"), "fashion_mnist"),
    "fer2013": ArraySet(TRAIN_TEST, _fer2013, "fer2013"),
    "mnist": ArraySet(TRAIN_TEST, partial(_idx, folder="MNIST"), "mnist"),
    "stl10": ArraySet(TRAIN_TEST, _stl10, "stl10"),
    "svhn": ArraySet(("train", "test", "extra"), _svhn, "svhn"),
}


def _rows(file: Path, storage: Storage, size: int) -> NDArray[np.uint8]:
    """A file of records of `size` bytes, [N, size]."""
    content = np.frombuffer(storage.read(str(file)), dtype=np.uint8)
    if not len(content) or len(content) % size:
        raise DataError(f"{file}: {len(content)} bytes are no whole number of records of {size}; download it again")
    return content.reshape(-1, size)


def _idx_values(file: Path, storage: Storage, dimensions: int) -> NDArray[np.uint8]:
    """An array in LeCun's IDX format: two zero bytes, the type (8 for bytes), the number of dimensions, these, the values."""
    content = storage.read(str(file))
    try:
        content = gzip.decompress(content) if file.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error):
        raise DataError(f"{file} cannot be read: it is not gzip, or its end is missing") from None
    start = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < start:
        raise DataError(f"{file} is no IDX file of bytes with {dimensions} dimensions")
    shape = np.frombuffer(content[4:start], dtype=">u4").astype(np.int64)
    if len(content) - start != int(np.prod(shape)):
        raise DataError(f"{file}: {len(content) - start} values, its header promises {' x '.join(map(str, shape))}; download it again")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _either(file: Path) -> Path:
    """A file, or where it is missing its compressed form."""
    return file if file.is_file() else file.with_name(f"{file.name}.gz")


def _pixels(text: str, file: Path) -> NDArray[np.int64]:
    try:
        values = np.array(text.split(), dtype=np.int64)
    except ValueError:
        values = np.empty(0, dtype=np.int64)
    if len(values) != FER_SIDE**2 or values.min() < 0 or values.max() > 255:
        raise DataError(f"{file}: pixels must be {FER_SIDE**2} numbers from 0 to 255")
    return values


def _version(files: Sequence[Path], storage: Storage) -> str:
    return digest([(file.name, *storage.state(str(file))) for file in files])
