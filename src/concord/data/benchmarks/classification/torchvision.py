"""The data sets that torchvision knows, where it has put them on the disk."""

from __future__ import annotations

from typing import Literal

import numpy as np

from concord.data.benchmarks.classification.folder import folder_at
from concord.data.benchmarks.classification.labelled import Labelled, names_of
from concord.data.benchmarks.classification.pictures import ImageArray, ImageFiles, Pictures
from concord.data.benchmarks.classification.torchvision_arrays import ARRAY_SETS
from concord.data.benchmarks.classification.torchvision_files import FILE_SETS
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError

DataSet = Literal[
    "caltech101",
    "cifar10",
    "cifar100",
    "country211",
    "dtd",
    "eurosat",
    "fashion_mnist",
    "fer2013",
    "fgvc_aircraft",
    "flowers102",
    "food101",
    "gtsrb",
    "mnist",
    "oxford_pets",
    "rendered_sst2",
    "stanford_cars",
    "stl10",
    "sun397",
    "svhn",
]


class Torchvision(Labelled):
    """A data set that torchvision has downloaded, or that was unpacked where torchvision looks for it. Nothing is downloaded or
    unpickled here: of CIFAR the binary version must be there (cifar-10-batches-bin, cifar-100-binary), because reading
    the Python one could run code. Labels are torchvision's, except for FER2013, whose classes are in alphabetical order.

    Args:
        dataset: which one.
        path: the folder that torchvision calls root, in which the data set has a folder of its own.
        split: which part; "all" for caltech101, eurosat and sun397, which are not divided.
        class_names: by label: a list, or a set of `concord.vocabularies`; None takes the published names.
        name: for logs and metrics; `dataset` when not given.
        storage: how files are read.

    Raises:
        DataError: for missing or damaged files.
        ConfigError: for a split that it does not have.
        ValueError: for a data set that is not listed.
    """

    def __init__(
        self,
        dataset: DataSet,
        path: str,
        split: str = "test",
        class_names: list[str] | str | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        if dataset not in FILE_SETS and dataset not in ARRAY_SETS:
            raise ValueError(f"dataset must be one of {', '.join(sorted([*FILE_SETS, *ARRAY_SETS]))}, got {dataset}")
        storage = storage if storage is not None else Storage()
        known = FILE_SETS[dataset] if dataset in FILE_SETS else ARRAY_SETS[dataset]
        if split not in known.splits:
            raise ConfigError(f"split: {dataset} has no {split}; valid: {', '.join(known.splits)}")
        root = folder_at(path)
        names = names_of(class_names if class_names is not None else known.names)
        pictures: Pictures
        if dataset in FILE_SETS:
            listing = FILE_SETS[dataset].read(root, split, storage)
            if listing.classes is not None and listing.classes != len(names):
                raise DataError(f"{listing.root}: {listing.classes} classes, and {len(names)} class names; complete it, or set class_names")
            pictures, labels = ImageFiles(str(listing.root), listing.files, storage), np.array(listing.labels, dtype=np.int64)
        else:
            arrays = ARRAY_SETS[dataset].read(root, split, storage)
            pictures, labels = ImageArray(arrays.images, arrays.file, arrays.version), arrays.labels
        super().__init__(name if name is not None else dataset, pictures, labels, names)
        if isinstance(pictures, ImageFiles):
            pictures.require(str(root))
