"""MedMNIST v2 and MedMNIST+: small medical pictures of twelve kinds, and small volumes of six."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from concord.data.benchmarks.classification.labelled import names_of
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.kept import copy, unpacked
from concord.data.readers.columns import folder_of
from concord.data.readers.parquet_file import RangeFile
from concord.data.storage.paths import is_url, without_query, without_secrets
from concord.data.storage.storage import Storage, StorageError
from concord.errors import ConfigError, DataError
from concord.types import RawImage

PARTS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}

MODALITIES = {
    "pathmnist": "histology",
    "chestmnist": "radiograph",
    "dermamnist": "dermoscopy",
    "octmnist": "oct",
    "pneumoniamnist": "radiograph",
    "retinamnist": "fundus",
    "breastmnist": "ultrasound",
    "bloodmnist": "microscopy",
    "tissuemnist": "microscopy",
    "organamnist": "ct",
    "organcmnist": "ct",
    "organsmnist": "ct",
    "organmnist3d": "ct",
    "nodulemnist3d": "ct",
    "adrenalmnist3d": "ct",
    "fracturemnist3d": "ct",
    "vesselmnist3d": "mri",
    "synapsemnist3d": "microscopy",
}
"""By flag, what a set shows."""

VOLUMES = "mnist3d"


class MedMNIST(Layout):
    """A set of MedMNIST v2 or MedMNIST+ (Yang et al. 2023) in the file that it is published as: FLAG.npz with pictures of 28
    pixels, or FLAG_64.npz, FLAG_128.npz, FLAG_224.npz; of volumes FLAG.npz and FLAG_64.npz. Nothing in it is unpickled.

    Labels are single, except those of chestmnist, which are 14 findings. Those of retinamnist are grades in order. The organs of
    organ{a,c,s}mnist and organmnist3d have sides: a mirrored picture would be of another class. The organs of organmnist3d stand
    in another order than those of the others, and class 0 of breastmnist is the malignant one. Pictures of one patient are not
    told apart, so that there are no parts but the published ones; of volumes, the slices of one count as one patient.

    The arrays are held in memory, a part at a time; a storage with a cache folder keeps unpacked copies there instead, which all
    processes share.

    Args:
        path: the .npz file or its URL.
        slices: how many of each volume, evenly spaced along its first axis; 1 takes the middle one. Pictures have 1.
        class_names: by label: a list, or a set of `concord.vocabularies`; None takes MedMNIST's own by the file's name.
        name: for logs and metrics; the file's name when not given.

    Raises:
        ConfigError: for a file of another name without class names.
        ValueError: for less than one slice, and for more of pictures.
    """

    tells_patients = False

    def __init__(self, path: str, slices: int = 1, class_names: list[str] | str | None = None, name: str | None = None) -> None:
        self.path = path if is_url(path) else str(Path(path).expanduser())
        self.root = folder_of(self.path)
        stem = without_query(path).rpartition("/")[2].removesuffix(".npz")
        flag = stem.partition("_")[0]
        self.volumes = flag.endswith(VOLUMES)
        if slices < 1 or (slices > 1 and not self.volumes):
            raise ValueError(f"slices must be at least 1, and 1 for pictures, got {slices}")
        if class_names is None and flag not in MODALITIES:
            raise ConfigError(f"class_names must be given: {stem} is no set of MedMNIST")
        self.slices = slices
        self.name = name if name is not None else stem
        self.class_names = names_of(class_names if class_names is not None else flag)
        self.modality = MODALITIES.get(flag, "")
        self._images: dict[str, NDArray[np.uint8]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_images": {}}  # too large to be sent to another process, which reads its own

    def exams(self, storage: Storage) -> Iterator[Exam]:
        place = without_secrets(self.path)
        file = without_query(self.path).rpartition("/")[2]
        with _opened(self.path, storage) as archive:
            held = [part for part in PARTS if f"{part}_images.npy" in archive.namelist()]
            labels = {part: self._labels(archive, part, place) for part in held}
        if not labels:
            raise DataError(f"{place} has no images; a file of MedMNIST holds images and labels of train, val and test")
        for part, values in labels.items():
            for number, known in enumerate(self._classes(values, place)):
                for position in self._positions():
                    yield Exam(f"{file}/{part}/{number}", f"{part}/{number}", split=PARTS[part], position=position, **known)

    def read(self, exam: Exam, storage: Storage) -> RawImage:
        folder, _, number = exam.image.rpartition("/")
        part = folder.rpartition("/")[2]
        if part not in self._images:
            self._images[part] = _mapped(self.path, f"{part}_images", storage)
        found = self._images[part][int(number)]
        return np.array(found if exam.position is None else found[int(exam.position * len(found))])

    def _labels(self, archive: zipfile.ZipFile, part: str, place: str) -> NDArray[Any]:
        """[N, L] of a part whose pictures are as they should be."""
        shape, dtype = _header(archive, f"{part}_images")
        labels = _array(archive, f"{part}_labels")
        if dtype != np.uint8 or not self._is_shaped(shape):
            wanted = "[N, D, H, W]" if self.volumes else "[N, H, W] or [N, H, W, 3]"
            raise DataError(f"{place}: images must be uint8 {wanted}, got {dtype} {list(shape)}")
        if labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.shape[1] < 1:
            raise DataError(f"{place}: labels must be integers [N, L], got {labels.dtype} {list(labels.shape)}")
        if len(labels) != shape[0]:
            raise DataError(f"{place}: {shape[0]} images and {len(labels)} labels in {part}; they must be as many")
        return labels

    def _is_shaped(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == 4 if self.volumes else len(shape) == 3 or (len(shape) == 4 and shape[3] == 3)

    def _positions(self) -> list[float | None]:
        return [(place + 0.5) / self.slices for place in range(self.slices)] if self.volumes else [None]

    def _classes(self, labels: NDArray[Any], place: str) -> Iterator[Mapping[str, Any]]:
        classes = len(self.class_names)
        if labels.shape[1] == 1:
            if len(wrong := labels[(labels < 0) | (labels >= classes)]):
                raise DataError(f"{place}: label {wrong[0]} lies outside of [0, {classes - 1}], as there are {classes} class names")
            yield from ({"label": label} for label in labels[:, 0].tolist())
        elif labels.shape[1] != classes or not np.isin(labels, (0, 1)).all():
            raise DataError(f"{place}: labels of several classes must be 0 or 1 and as many as the {classes} class names")
        else:
            yield from ({"findings": tuple(row)} for row in labels.tolist())


def _mapped(path: str, name: str, storage: Storage) -> NDArray[Any]:
    """An array of the file: a map of its unpacked copy where the storage keeps one, else in memory."""
    with _opened(path, storage) as archive:

        def write(target: BinaryIO) -> None:
            with archive.open(f"{name}.npy") as member:
                copy(member, target, f"{without_secrets(path)}, {name}")  # type: ignore[arg-type]

        file = unpacked(storage, path, f"{name}.npy", write)
        return _array(archive, name) if file is None else np.load(file, mmap_mode="r", allow_pickle=False)


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array that is not read."""
    with archive.open(f"{name}.npy") as file:
        read = np.lib.format.read_array_header_1_0 if np.lib.format.read_magic(file) == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    return shape, dtype


@contextmanager
def _opened(path: str, storage: Storage) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever its damage raises is told in one line."""
    place = without_secrets(path)
    storage.state(path)
    try:
        with zipfile.ZipFile(RangeFile(path, storage)) as archive:  # type: ignore[arg-type]
            yield archive
    except (DataError, StorageError):
        raise
    except KeyError as error:
        raise DataError(f"{place} lacks an array: {str(error).strip(chr(34))}; download it again") from None
    except Exception as error:  # as various as the damage
        raise DataError(f"{place} cannot be read: {' '.join(str(error).split()) or type(error).__name__}; download it again") from None
