"""NCT-CRC-HE-100K and CRC-VAL-HE-7K: tissues of the colon (Kather et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from concord.data.benchmarks.classification.folder import find_pictures, folder_at
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.storage.storage import Storage
from concord.errors import DataError

TISSUES = {
    "ADI": "adipose tissue",
    "BACK": "background",
    "DEB": "debris",
    "LYM": "lymphocytes",
    "MUC": "mucus",
    "MUS": "smooth muscle",
    "NORM": "normal colon mucosa",
    "STR": "cancer-associated stroma",
    "TUM": "colorectal adenocarcinoma epithelium",
}
"""By class folder, in the order of the labels."""


class NCTCRC(Layout):
    """Folders of classes in two folders, one to learn from and one, of other patients, to test on. A folder that is not there is
    left out. Whose the patches are is not told.

    PathMNIST is made of both, with the same parts but for its validation set: neither may be learned from before the other is
    tested.

    Args:
        path: the folder of both, on this machine.
        classes: 9, as PLIP, CONCH and MedMNIST count, or 8 without the background, as UniMed-CLIP, Quilt-1M and others do. The
            numbers of one are not comparable with those of the other.
        train, test: names of the two folders; NCT-CRC-HE-100K-NONORM has the colours as they were.
    """

    name = "nct_crc"
    modality = "histology"
    tells_patients = False

    def __init__(self, path: str, classes: Literal[8, 9] = 9, train: str = "NCT-CRC-HE-100K", test: str = "CRC-VAL-HE-7K") -> None:
        if classes not in (8, 9):
            raise ValueError(f"classes must be 8 or 9, got {classes}")
        tissues = {folder: name for folder, name in TISSUES.items() if classes == 9 or folder != "BACK"}
        self.root = path
        self.class_names = list(tissues.values())
        self._labels = {folder: label for label, folder in enumerate(tissues)}
        self._folders: dict[str, Split] = {train: "train", test: "test"}

    def exams(self, storage: Storage) -> Iterator[Exam]:
        root = folder_at(self.root)
        there = {folder: split for folder, split in self._folders.items() if (root / folder).is_dir()}
        if not there:
            raise DataError(f"{self.root}: neither {' nor '.join(self._folders)} is in it")
        for folder, split in there.items():
            yield from self._of(root, folder, split)

    def _of(self, root: Path, folder: str, split: Split) -> Iterator[Exam]:
        for picture in find_pictures(root / folder):
            if picture.folder in self._labels:
                image = f"{folder}/{picture.file}"
                yield Exam(image, image, split=split, label=self._labels[picture.folder])
