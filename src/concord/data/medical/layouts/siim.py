"""SIIM-ACR Pneumothorax Segmentation (Filice et al. 2020): radiographs of NIH ChestX-ray14 with masks of pneumothoraces."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from concord.access import Access
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import files_by_name, spelled_rows
from concord.data.medical.layouts.stratified import Division, StratifiedSplit
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError

logger = logging.getLogger(__name__)

SIDE = 1024
"""Of every picture and its mask, in pixels."""

NOTHING = "-1"
COLUMNS = {"image": ["ImageId"], "mask": [" EncodedPixels", "EncodedPixels"]}
"""One release writes a space before the name of the column, and before the -1 of pictures without pneumothorax."""


class SIIMPneumothorax(Layout):
    """DICOM files in nested folders, and a table with a row per mask: pictures with two pneumothoraces have two rows.

    Nothing tells the patients, so that each picture passes for one. Rows of one picture are always in one part.

    Args:
        path: the folder, or its URL in a store that can list.
        lists: by part a text file with an `ImageId` per line, below `path`; None draws parts.
        parts: how they are drawn; None with lists.
        images: folder of the pictures, below `path`; in it they may lie at any depth.
        table: below `path`: `train-rle.csv` of stage 1, or `stage_2_train.csv`.

    Raises:
        ConfigError: unless there are either lists or parts.
    """

    name = "siim"
    access: Access = "restricted"
    modality = "radiograph"
    class_names = ("no pneumothorax", "pneumothorax")
    tells_patients = False

    def __init__(
        self,
        path: str,
        lists: dict[str, str] | None = None,
        parts: StratifiedSplit | None = None,
        images: str = "dicom-images-train",
        table: str = "train-rle.csv",
    ) -> None:
        self.root = below(path, images)
        self._folder, self._table = path, below(path, table)
        self._division = Division(self.name, lists, parts)

    def exams(self, storage: Storage) -> Iterator[Exam]:
        labels = {image: int(bool(runs)) for image, runs in self.runs(storage).items()}
        files = files_by_name(self.root, [".dcm"], storage)
        if lacking := len(labels.keys() - files.keys()):
            logger.warning("%s: %d of %d pictures in the table are not in the folder and left out", self.name, lacking, len(labels))
        splits = self._division.splits(storage, self._folder, labels, None)
        for image, label in labels.items():
            if image in files:
                yield Exam(files[image], image, split=splits.get(image, ""), label=label)

    def runs(self, storage: Storage) -> Mapping[str, Sequence[str]]:
        """By picture the run lengths of its masks, as the table has them; () where there is no pneumothorax.

        Raises:
            DataError: for a table that cannot be read.
        """
        found: dict[str, tuple[str, ...]] = {}
        for row in spelled_rows(storage, self._table, COLUMNS):
            runs = row.text("mask")
            found[row.text("image")] = found.get(row.text("image"), ()) + (() if runs == NOTHING else (runs,))
        return found


def mask_of(runs: str) -> NDArray[np.bool_]:
    """The mask that run lengths describe, [1024, 1024].

    They are pairs of a gap since the end of the run before and the length of a run, counted down the columns, the left one first.

    Raises:
        DataError: for text that is no such pairs, and runs that leave the picture.
    """
    numbers = runs.split()
    if len(numbers) % 2 or not all(number.isascii() and number.isdigit() and len(number) <= len(str(SIDE**2)) for number in numbers):
        raise DataError("a mask must be pairs of whole numbers, a gap and a length")
    pairs = np.array(numbers, dtype=np.int64).reshape(-1, 2)
    ends = pairs.sum(axis=1).cumsum()
    if len(ends) and ends[-1] > SIDE**2:
        raise DataError(f"a mask of {ends[-1]} pixels does not fit into {SIDE} x {SIDE}")
    mask = np.zeros(SIDE**2, dtype=bool)
    for start, end in zip((ends - pairs[:, 1]).tolist(), ends.tolist(), strict=True):
        mask[start:end] = True
    return mask.reshape(SIDE, SIDE).T
