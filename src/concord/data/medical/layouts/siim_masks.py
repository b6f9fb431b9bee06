"""The masks of SIIM-ACR as a test of segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from concord.data.medical.layouts.siim import SIDE, SIIMPneumothorax, mask_of
from concord.data.medical.source import MedicalImages
from concord.data.source import digest
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError


class SIIMMasks:
    """Radiographs and their masks, a `SegmentedSet`: class 1 where there is pneumothorax, else 0.

    Args:
        images: of `SIIMPneumothorax`.
        class_names: of the two classes; "," stands between several names of a class.
        storage: reads the table of masks.

    Raises:
        ConfigError: for images of another data set, and other numbers of classes.
    """

    def __init__(self, images: MedicalImages, class_names: list[str], storage: Storage | None = None) -> None:
        layout = images.layout
        if not isinstance(layout, SIIMPneumothorax):
            raise ConfigError(f"images must be of SIIMPneumothorax, got {type(layout).__name__}")
        if len(class_names) != 2:
            raise ConfigError(f"class_names must hold 2 names, of what is no pneumothorax and of what is, got {len(class_names)}")
        self.name = images.name
        self.images = images
        self.class_names: Sequence[str] = class_names
        self._runs = layout.runs(storage if storage is not None else Storage())

    @property
    def list_hash(self) -> str:
        """That of the images."""
        return self.images.list_hash

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Of one image, the class of each pixel, [1024, 1024]; several masks of one picture are one.

        Raises:
            DataError: for a mask that is none; it does not name the picture.
        """
        whole = np.zeros((SIDE, SIDE), dtype=bool)
        for runs in self._runs[self.images.exams[index].patient]:
            try:
                whole |= mask_of(runs)
            except DataError as error:
                raise DataError(f"{self.name}, {self.images.key(index)}: {error}") from None
        return whole.astype(np.uint8)

    def fingerprint(self) -> str:
        """See `Fingerprinted`."""
        own = {exam.patient: list(self._runs[exam.patient]) for exam in self.images.exams}
        return digest(self.images.fingerprint(), own, list(self.class_names))
