"""MedMNIST: small medical pictures of twelve kinds."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from concord.data.benchmarks.classification.labelled import Labelled, names_of
from concord.data.benchmarks.classification.pictures import ImageArray
from concord.data.readers.parquet_file import RangeFile
from concord.data.source import digest
from concord.data.storage.paths import without_query, without_secrets
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError
from concord.vocabularies import class_name_sets

Split = Literal["train", "val", "test"]


class MedMNIST(Labelled):
    """A 2-D set of MedMNIST v2 or MedMNIST+ (Yang et al. 2023) in the file that it is published as: FLAG.npz with pictures of 28
    pixels, or FLAG_64.npz, FLAG_128.npz, FLAG_224.npz. Nothing in it is unpickled.

    Labels are single, except those of chestmnist, which are 14 findings. Those of retinamnist are grades in order. The organs
    of organ{a,c,s}mnist have sides: a mirrored picture would be of another class.

    Args:
        path: the .npz file or its URL.
        split: which part.
        class_names: by label: a list, or a set of `concord.vocabularies`; None takes MedMNIST's own by the file's name.
        name: for logs and metrics; the file's name when not given.
        storage: reads it.

    Raises:
        DataError: for a missing or damaged file, one without this part, and one that holds volumes.
        ConfigError: for a file of another name without class names.
        ValueError: for another split.
    """

    def __init__(
        self,
        path: str,
        split: Split = "test",
        class_names: list[str] | str | None = None,
        name: str | None = None,
        storage: Storage | None = None,
    ) -> None:
        if split not in ("train", "val", "test"):
            raise ValueError(f"split must be train, val or test, got {split}")
        storage = storage if storage is not None else Storage()
        path = path if "://" in path else str(Path(path).expanduser())
        stem = without_query(path).rpartition("/")[2].removesuffix(".npz")
        images, labels = (_array(path, f"{split}_{kind}", storage) for kind in ("images", "labels"))
        pictures = ImageArray(images, path, digest(*storage.state(path), split))
        super().__init__(name if name is not None else stem, pictures, _labels(labels, path), _names(stem, class_names))


def _array(path: str, name: str, storage: Storage) -> NDArray:
    place = without_secrets(path)
    storage.state(path)
    try:
        with zipfile.ZipFile(RangeFile(path, storage)) as archive, archive.open(f"{name}.npy") as file:  # type: ignore[arg-type]
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    except KeyError:
        raise DataError(f"{place} has no {name}; a file of MedMNIST holds images and labels of train, val and test") from None
    except Exception as error:  # as various as the damage
        raise DataError(f"{place} cannot be read: {' '.join(str(error).split()) or type(error).__name__}; download it again") from None


def _labels(values: NDArray, path: str) -> NDArray:
    """[N] of [N, 1], or [N, C] of zeros and ones."""
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise DataError(f"{without_secrets(path)}: labels must be integers [N, L], got {values.dtype} {list(values.shape)}")
    if values.shape[1] == 1:
        return values[:, 0].astype(np.int64)
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"{without_secrets(path)}: labels of several classes must be 0 or 1")
    return values.astype(np.int8)


def _names(stem: str, class_names: list[str] | str | None) -> list[str]:
    if class_names is not None:
        return names_of(class_names)
    flag = stem.partition("_")[0]
    if not flag.endswith("mnist") or flag not in class_name_sets():
        raise ConfigError(f"class_names must be given: {stem} is no set of MedMNIST")
    return names_of(flag)
