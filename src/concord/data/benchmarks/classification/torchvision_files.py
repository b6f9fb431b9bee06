"""Where torchvision keeps the data sets that are made of picture files, and how their lists are written.

Each function takes the folder that torchvision calls root, the split and a storage, and gives what is there. Labels are
torchvision's.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.io import loadmat

from concord.data.benchmarks.classification.folder import find_pictures, folder_at, picture_files
from concord.data.benchmarks.classification.listed import read_lines
from concord.data.readers.documents import load_document
from concord.data.readers.table_rows import SeparatedRows, TableFile
from concord.data.storage.storage import Storage
from concord.errors import DataError


class Listing(NamedTuple):
    """Pictures and classes of a data set.

    Attributes:
        root: the folder of the pictures.
        files: their paths from there.
        labels: one for each.
        classes: how many the data set lists; None where it lists none.
    """

    root: Path
    files: Sequence[str]
    labels: Sequence[int]
    classes: int | None = None


class FileSet(NamedTuple):
    """A data set of torchvision's that is made of files.

    Attributes:
        splits: what it is divided into; "all" where it is not.
        read: lists one.
        names: the set of published class names in `concord.vocabularies`.
    """

    splits: Sequence[str]
    read: Callable[[Path, str, Storage], Listing]
    names: str


def _aircraft(root: Path, split: str, storage: Storage) -> Listing:
    data = root / "fgvc-aircraft-2013b/data"
    variants = [line.strip() for line in _lines(data / "variants.txt", storage)]
    pairs = [line.strip().partition(" ") for line in _lines(data / f"images_variant_{split}.txt", storage)]
    labels = _positions(variants, [variant for _, _, variant in pairs], data / "variants.txt")
    return Listing(data / "images", [f"{image}.jpg" for image, _, _ in pairs], labels, len(variants))


def _caltech101(root: Path, split: str, storage: Storage) -> Listing:
    """With the class of background pictures, as CLIP_benchmark reads it; torchvision leaves that out."""
    return _class_folders(root / "caltech101/101_ObjectCategories")


def _cars(root: Path, split: str, storage: Storage) -> Listing:
    folder = root / "stanford_cars"
    test = split == "test"
    annotations = folder / ("cars_test_annos_withlabels.mat" if test else "devkit/cars_train_annos.mat")
    rows = np.atleast_1d(_mat(annotations, storage, "annotations"))
    classes = np.size(_mat(folder / "devkit/cars_meta.mat", storage, "class_names"))
    return Listing(folder / f"cars_{split}", [str(row["fname"]) for row in rows], [int(row["class"]) - 1 for row in rows], classes)


def _country211(root: Path, split: str, storage: Storage) -> Listing:
    return _class_folders(root / "country211" / split)


def _dtd(root: Path, split: str, storage: Storage) -> Listing:
    """The first of its ten partitions."""
    folder = root / "dtd/dtd"
    files = [line.strip() for line in _lines(folder / f"labels/{split}1.txt", storage)]
    return _by_folder(folder / "images", files)


def _eurosat(root: Path, split: str, storage: Storage) -> Listing:
    return _class_folders(root / "eurosat/2750")


def _flowers102(root: Path, split: str, storage: Storage) -> Listing:
    folder = root / "flowers-102"
    part = {"train": "trnid", "val": "valid", "test": "tstid"}[split]
    numbers = np.atleast_1d(_mat(folder / "setid.mat", storage, part)).tolist()
    labels = np.atleast_1d(_mat(folder / "imagelabels.mat", storage, "labels")).astype(int).tolist()
    outside = next((number for number in numbers if not 1 <= number <= len(labels)), None)
    if outside is not None:
        raise DataError(f"{folder}/setid.mat names image {outside}, and imagelabels.mat holds {len(labels)} labels")
    return Listing(folder / "jpg", [f"image_{number:05d}.jpg" for number in numbers], [labels[number - 1] - 1 for number in numbers])


def _food101(root: Path, split: str, storage: Storage) -> Listing:
    folder = root / "food-101"
    document = load_document(storage, str(folder / f"meta/{split}.json"))
    wrong = next((name for name, images in document.items() if not isinstance(images, list)), None)
    if wrong is not None:
        raise DataError(f"{folder}/meta/{split}.json: expected a list of images for {wrong}")
    files = [f"{image}.jpg" for images in document.values() for image in images]
    names = sorted(document)
    return Listing(folder / "images", files, [names.index(name) for name, images in document.items() for _ in images], len(names))


def _gtsrb(root: Path, split: str, storage: Storage) -> Listing:
    folder = root / "gtsrb"
    if split == "train":
        return _class_folders(folder / "GTSRB/Training")
    rows = SeparatedRows(TableFile(str(folder / "GT-final_test.csv"), storage), ";")
    cells = [rows.read(number, ["Filename", "ClassId"]) for number in range(len(rows))]
    labels = [_number(row["ClassId"], rows.location(number)) for number, row in enumerate(cells)]
    return Listing(folder / "GTSRB/Final_Test/Images", [row["Filename"].strip() for row in cells], labels)


def _pets(root: Path, split: str, storage: Storage) -> Listing:
    folder = root / "oxford-iiit-pet"
    lists = folder / f"annotations/{split}.txt"
    rows = [line.split() for line in _lines(lists, storage)]
    if not all(len(row) == 4 for row in rows):
        raise DataError(f"{lists}: expected IMAGE CLASS SPECIES BREED per line")
    return Listing(folder / "images", [f"{row[0]}.jpg" for row in rows], [_number(row[1], str(lists)) - 1 for row in rows])


def _rendered_sst2(root: Path, split: str, storage: Storage) -> Listing:
    return _class_folders(root / "rendered-sst2" / {"val": "valid"}.get(split, split))


def _sun397(root: Path, split: str, storage: Storage) -> Listing:
    """All 108,754 pictures; CLASS may have a folder inside: /c/church/indoor."""
    folder = root / "SUN397"
    names = [line.strip()[3:] for line in _lines(folder / "ClassName.txt", storage)]
    files = [file for file in picture_files(folder_at(str(folder))) if re.fullmatch(r".*/sun_[^/]*\.jpg", file)]
    labels = _positions(names, [file.partition("/")[2].rpartition("/")[0] for file in files], folder / "ClassName.txt")
    return Listing(folder, files, labels, len(names))


TRAIN_TEST = ("train", "test")
TRAIN_VAL_TEST = ("train", "val", "test")
ALL = ("all",)

FILE_SETS: Mapping[str, FileSet] = {
    "caltech101": FileSet(ALL, _caltech101, "caltech101"),
    "country211": FileSet(("train", "valid", "test"), _country211, "country211"),
    "dtd": FileSet(TRAIN_VAL_TEST, _dtd, "dtd"),
    "eurosat": FileSet(ALL, _eurosat, "eurosat"),
    "fgvc_aircraft": FileSet(("train", "val", "trainval", "test"), _aircraft, "fgvc_aircraft"),
    "flowers102": FileSet(TRAIN_VAL_TEST, _flowers102, "flowers"),
    "food101": FileSet(TRAIN_TEST, _food101, "food101"),
    "gtsrb": FileSet(TRAIN_TEST, _gtsrb, "gtsrb"),
    "oxford_pets": FileSet(("trainval", "test"), _pets, "pets"),
    "rendered_sst2": FileSet(TRAIN_VAL_TEST, _rendered_sst2, "renderedsst2"),
    "stanford_cars": FileSet(TRAIN_TEST, _cars, "cars"),
    "sun397": FileSet(ALL, _sun397, "sun397"),
}


def _class_folders(folder: Path) -> Listing:
    return _by_folder(folder, [picture.file for picture in find_pictures(folder_at(str(folder)))])


def _by_folder(folder: Path, files: Sequence[str]) -> Listing:
    """Labels by the order of the names of the folders."""
    classes = [file.partition("/")[0] for file in files]
    names = sorted(set(classes))
    numbers = {name: label for label, name in enumerate(names)}
    return Listing(folder, files, [numbers[name] for name in classes], len(names))


def _positions(names: Sequence[str], wanted: Sequence[str], place: Path) -> list[int]:
    numbers = {name: label for label, name in enumerate(names)}
    unknown = next((name for name in wanted if name not in numbers), None)
    if unknown is not None:
        raise DataError(f"{place} lacks class {unknown!r}")
    return [numbers[name] for name in wanted]


def _lines(file: Path, storage: Storage) -> list[str]:
    return [line for line in read_lines(str(file), storage) if line.strip()]


def _number(text: str, place: str) -> int:
    if not text.strip().isdigit():
        raise DataError(f"{place}: expected a class number, got {text[:20]!r}")
    return int(text)


def _mat(file: Path, storage: Storage, name: str) -> Any:
    """A variable of a MATLAB file, which holds arrays and no code."""
    try:
        return loadmat(io.BytesIO(storage.read(str(file))), squeeze_me=True)[name]
    except KeyError:
        raise DataError(f"{file} has no variable {name}") from None
    except DataError:
        raise
    except Exception as error:  # SciPy meets damaged files with errors of many classes
        raise DataError(f"{file} cannot be read as a MATLAB file: {' '.join(str(error).split())}") from None
