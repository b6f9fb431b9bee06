"""What is kept of segmented images: counts of pixels, not the pixels.

Dimensions: H x W pixels, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from concord.benchmarks.dense.labels import NOTHING
from concord.benchmarks.dense.overlap import Segmented, confusion_of, counts_of
from concord.benchmarks.evaluation import log
from concord.benchmarks.figures import Figure
from concord.errors import DataError
from concord.images import encoded_bytes
from concord.items import IGNORED, SegmentedSet
from concord.types import Pair


@dataclass(frozen=True)
class Part:
    """What came of some images.

    Attributes:
        images: those that could be read.
        confusion: [C, C + 1] of all their pixels.
        drawn: pictures of some of them, by name.
        causes: why others could not be read, and how many.
    """

    images: list[Segmented]
    confusion: NDArray[np.int64]
    drawn: dict[str, Figure]
    causes: Counter[str]

    @staticmethod
    def of(classes: int) -> Part:
        """That of no image yet."""
        return Part([], np.zeros((classes, classes + 1), dtype=np.int64), {}, Counter())

    def add(self, pair: Pair, gold: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        """Count an image whose pixels are `gold` and were taken for `labels`, both [H, W]."""
        confusion = confusion_of(gold, labels, len(self.confusion))
        self.confusion[:] += confusion
        hashed = blake2b(pair.key.encode("utf-8", "backslashreplace") + encoded_bytes(pair.image) + gold.tobytes(), digest_size=8)
        tied = bool((labels[gold != IGNORED] == NOTHING).any())
        self.images.append(Segmented(replace(pair, image=b""), counts_of(confusion), tied, hashed.hexdigest()))


def join(name: str, parts: Sequence[Part]) -> list[Segmented]:
    """The images of all parts; a warning counts those that could not be read.

    Raises:
        DataError: where no pixel counts.
    """
    images = [image for part in parts for image in part.images]
    causes = sum((part.causes for part in parts), Counter[str]())
    tried = len(images) + causes.total()
    commonest = f" (mostly: {causes.most_common(1)[0][0]})" if causes else ""
    if not any(image.counts[2].any() for image in images):
        raise DataError(f"{name}: none of {tried} images has pixels that count{commonest}")
    if causes:
        log.warning("%s: %d of %d images cannot be read and are left out%s", name, causes.total(), tried, commonest)
    return images


def checked_mask(reader: SegmentedSet, index: int, key: str, size: tuple[int, int], classes: int) -> NDArray[np.uint8]:
    """The mask of an image of a width and a height, [H, W].

    Raises:
        DataError: naming the image, for a mask of another size or with classes that do not exist.
    """
    gold = reader.mask(index)
    width, height = size
    if gold.shape != (height, width):
        mask = f"{gold.shape[1]} x {gold.shape[0]}"
        raise DataError(f"{reader.name}, {key}: the image has {width} x {height} pixels and its mask {mask}; do they belong together?")
    wrong = gold[(gold >= classes) & (gold != IGNORED)]
    if wrong.size:
        raise DataError(f"{reader.name}, {key}: the mask holds class {wrong[0]}, and there are {classes} classes")
    return gold
