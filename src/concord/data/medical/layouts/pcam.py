"""PatchCamelyon in the HDF5 files of its first release (Veeling et al. 2018)."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from concord.data.benchmarks.classification.folder import folder_at
from concord.data.benchmarks.rows import csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.kept import copy, unpacked
from concord.data.storage.storage import Storage
from concord.errors import DataError, MissingExtraError
from concord.types import RawImage
from concord.vocabularies import class_names

PARTS: dict[str, Split] = {"train": "train", "valid": "validation", "test": "test"}

SIDE = 96
"""Pixels of a picture. A metastasis in its middle 32 x 32 pixels decides the class; what lies around it does not count, so that
crops must keep the middle."""


class PCam(Layout):
    """camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5 beside ..._meta.csv, which tells the slide of each picture; parts that
    are not there are left out. Pictures are read one by one, never the file as a whole.

    The .h5.gz files as they are published can be read too, with a storage that has a cache folder for the unpacked copies.

    The patient of a picture is its slide. Without a meta.csv each picture passes for one, and no other parts can be made.

    Args:
        path: the folder, on this machine.
    """

    name = "pcam"
    modality = "histology"
    class_names = class_names("pcam")

    def __init__(self, path: str) -> None:
        self.root = path
        self._folder = folder_at(path)
        self._sets: dict[tuple[int, str], Any] = {}
        self.tells_patients = all(self._file(part, "meta.csv").is_file() for part in PARTS if self._packed(part, "x") is not None)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_sets": {}}  # open files belong to one process

    def exams(self, storage: Storage) -> Iterator[Exam]:
        found = [part for part in PARTS if self._packed(part, "x") is not None]
        if not found:
            raise DataError(f"{self.root}: no {self._file('test', 'x.h5').name} or other part of PCam in it, packed or not")
        for part in found:
            labels = self._labels(part, storage)
            slides = self._slides(part, len(labels), storage)
            for number, label in enumerate(labels.tolist()):
                image = f"{part}/{number}"
                yield Exam(image, slides[number] if slides else image, split=PARTS[part], label=label)

    def read(self, exam: Exam, storage: Storage) -> RawImage:
        part, _, number = exam.image.partition("/")
        return np.asarray(self._opened(part, storage)[int(number)])

    def _labels(self, part: str, storage: Storage) -> NDArray[np.int64]:
        with _h5(self._unpacked(part, "y", storage)) as file:
            values = np.asarray(_member(file, "y")).reshape(-1)
        if not np.isin(values, (0, 1)).all():
            raise DataError(f"{file_name(part, 'y.h5')}: labels must be 0 or 1")
        with _h5(self._unpacked(part, "x", storage)) as file:
            images = _member(file, "x")
            if images.shape != (len(values), SIDE, SIDE, 3) or images.dtype != np.uint8:
                wanted = f"uint8 [{len(values)}, {SIDE}, {SIDE}, 3]"
                raise DataError(f"{file_name(part, 'x.h5')}: images must be {wanted}, got {images.dtype} {list(images.shape)}")
        return values.astype(np.int64)

    def _slides(self, part: str, count: int, storage: Storage) -> list[str]:
        if not self.tells_patients:
            return []
        slides = [row.text("wsi") for row in csv_rows(storage, str(self._file(part, "meta.csv")), ["wsi"])]
        if len(slides) != count:
            raise DataError(f"{file_name(part, 'meta.csv')}: {len(slides)} rows for {count} pictures; is it of this part?")
        return slides

    def _opened(self, part: str, storage: Storage) -> Any:
        """The pictures of a part. HDF5 does not survive a fork: every process opens its own."""
        key = (os.getpid(), part)
        if key not in self._sets:
            self._sets[key] = _member(_h5(self._unpacked(part, "x", storage)), "x")
        return self._sets[key]

    def _unpacked(self, part: str, kind: str, storage: Storage) -> Path:
        packed = self._packed(part, kind)
        if packed is None:
            raise DataError(f"{self.root}: {file_name(part, kind)}.h5 is missing")
        if packed.suffix != ".gz":
            return packed

        def write(target: BinaryIO) -> None:
            try:
                with gzip.open(packed, "rb") as source:
                    copy(source, target, packed.name)  # type: ignore[arg-type]
            except (gzip.BadGzipFile, EOFError):
                raise DataError(f"{packed.name} is not gzip, or its end is missing; download it again") from None

        file = unpacked(storage, str(packed), "", write)
        if file is None:
            raise DataError(f"{packed} is packed; unpack it with gunzip, or give storage.cache, a folder for unpacked copies")
        return file

    def _packed(self, part: str, kind: str) -> Path | None:
        files = (self._file(part, f"{kind}.h5"), self._file(part, f"{kind}.h5.gz"))
        return next((file for file in files if file.is_file()), None)

    def _file(self, part: str, rest: str) -> Path:
        return self._folder / file_name(part, rest)


def file_name(part: str, rest: str) -> str:
    """What a file of a part is called."""
    return f"camelyonpatch_level_2_split_{part}_{rest}"


def _h5(path: Path) -> Any:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "medical") from None
    try:
        return h5py.File(path, "r")
    except OSError:
        raise DataError(f"{path.name} is no HDF5 file, or its end is missing; download it again") from None


def _member(file: Any, name: str) -> Any:
    if name not in file:
        raise DataError(f"{Path(file.filename).name} has no data set {name!r}")
    return file[name]
