"""Groups of copies in data sets that do not tell which of their pictures are."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from concord.data.medical.exams import Exam
from concord.data.medical.layout import Container, Layout
from concord.data.medical.layouts.kept import kept
from concord.data.medical.looks import alike, look_of
from concord.data.readers.cells import ImageCells, resolve
from concord.data.source import BadSample, digest
from concord.data.storage.storage import Storage, StorageError
from concord.errors import ConfigError, DataError

logger = logging.getLogger(__name__)


class GroupedByLook(Layout):
    """A layout whose patients are groups of pictures that look alike, turned or mirrored: see `concord.data.medical.looks`.

    Every picture is read once; a storage with a cache folder keeps the groups. Parts are then made with `patient_split`. The number
    of groups and the size of the largest are logged: LC25000 is made of 250 originals per class, and far fewer groups say that the
    distance is too large, far more that it is too small, so that copies are in two parts.

    Args:
        layout: whose pictures are files.
        distance: up to which pictures are alike; see `alike`. Of 10 to 150 drawn histology pictures with 8 or 20 copies each, made as
            those of LC25000 (turned by up to 25 degrees, cut upright, mirrored, as JPEG), 0.3 finds just the originals, and no distance
            of pHash does.

    Raises:
        ConfigError: for a layout whose pictures lie in a container.
        ValueError: for a distance that is not above 0.
    """

    def __init__(self, layout: Layout, distance: float = 0.3) -> None:
        if not distance > 0:
            raise ValueError(f"distance must be above 0, got {distance}")
        if isinstance(layout, Container):
            raise ConfigError(f"layout: the pictures of {layout.name} are no files; group another layout")
        self._layout = layout
        self._distance = distance
        self.name, self.root, self.access = layout.name, layout.root, layout.access
        self.modality, self.class_names = layout.modality, layout.class_names

    def exams(self, storage: Storage) -> Iterator[Exam]:
        exams = list(self._layout.exams(storage))
        groups = self._groups([exam.image for exam in exams], storage)
        first = {group: exam.image for exam, group in zip(reversed(exams), reversed(groups.tolist()), strict=True)}
        for exam, group in zip(exams, groups.tolist(), strict=True):
            yield replace(exam, patient=first[group])

    def texts(self, exam: Exam, storage: Storage) -> Mapping[str, str]:
        return self._layout.texts(exam, storage)

    def _groups(self, images: Sequence[str], storage: Storage) -> NDArray[np.int64]:
        cells = ImageCells(self.root, storage)
        states = [_state(cells, image) for image in images]
        name = digest(self.root, self._distance, list(images), states)
        file = kept(storage, "looks", f"{name}.npy", lambda target: np.save(target, self._found(cells, images), allow_pickle=False))
        return self._found(cells, images) if file is None else np.load(file, allow_pickle=False)

    def _found(self, cells: ImageCells, images: Sequence[str]) -> NDArray[np.int64]:
        """Pictures that cannot be read are groups of their own, the last ones."""
        looks = [_look(cells, image) for image in images]
        seen = np.flatnonzero([look is not None for look in looks])
        groups = np.empty(len(images), dtype=np.int64)
        found = alike(np.stack([look for look in looks if look is not None]), self._distance) if len(seen) else seen
        groups[seen] = found
        unseen = np.setdiff1d(np.arange(len(images)), seen)
        groups[unseen] = len(np.unique(found)) + np.arange(len(unseen))
        sizes = np.bincount(groups)
        largest = sizes.max(initial=0)
        logger.info("%s: %d groups of pictures that look alike among %d, the largest of %d", self.name, len(sizes), len(images), largest)
        if len(unseen):
            logger.warning("%s: %d of %d pictures cannot be read and are grouped with none", self.name, len(unseen), len(images))
        return groups


def _look(cells: ImageCells, image: str) -> NDArray[np.float32] | None:
    try:
        return look_of(cells.read(image, image))
    except (BadSample, DataError):
        return None


def _state(cells: ImageCells, image: str) -> tuple[int, str]:
    """What tells whether a picture is still the same; of one that is not there, nothing."""
    path = resolve(cells.root, image)
    try:
        return cells.storage.state(path) if path is not None else (0, "")
    except StorageError:
        return 0, ""
