"""Which side a finding lies on: the test that a flipped picture fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from concord.data.phantoms.catalogue import SIDES
from concord.data.phantoms.reports import write_report
from concord.data.phantoms.source import Phantoms
from concord.data.phantoms.study import Split
from concord.data.source import digest
from concord.data.wrapper import Selection
from concord.errors import DataError
from concord.items import Item


class PhantomSides:
    """An `ItemSet`: does the model tell the impression of a study from the same one with left and right exchanged?

    Studies whose reports name no side are left out. The subset of an item is its modality, its unit the patient.

    Args:
        split, size, modalities, image_size, seed: see `Phantoms`.
        name: for logs and metrics.

    Attributes:
        images: the studies that have a side.
        items: the questions.

    Raises:
        DataError: when no study has a side.
    """

    def __init__(
        self,
        split: Split = "held_out",
        size: int = 600,
        modalities: list[str] | None = None,
        image_size: int = 64,
        seed: int = 0,
        name: str = "phantoms",
    ) -> None:
        phantoms = Phantoms(split, size, modalities, image_size, seed)
        sided = [index for index in range(size) if phantoms.study(index).side is not None]
        if not sided:
            raise DataError(f"phantoms: none of {size} studies has a side; use chest_radiograph, ct or fundus")
        self.name = name
        self.images = Selection(phantoms, np.array(sided))
        self.items = [_item(phantoms, index, image) for image, index in enumerate(sided)]

    def fingerprint(self) -> str:
        """See `Fingerprinted`."""
        return digest([(item.key, item.texts) for item in self.items])


def _item(phantoms: Phantoms, index: int, image: int) -> Item:
    study = phantoms.study(index)
    other = next(side for side in SIDES if side != study.side)
    texts = tuple(write_report(shown).impression for shown in (study, replace(study, side=other)))
    return Item(phantoms.key(index), "texts", (image,), texts, 1, subset=study.modality.name, unit=study.patient)
