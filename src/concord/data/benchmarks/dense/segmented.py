"""Images and masks of their classes, in two folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from concord.data.benchmarks.pictures import FilePictures
from concord.data.readers.annotated import below
from concord.data.readers.cells import ImageCells
from concord.data.source import BadSample, digest
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, DataError
from concord.images import decode_mask
from concord.items import IGNORED
from concord.vocabularies import class_names as published_names

VALUES = 256


class SegmentedFolder:
    """Images in one folder and their masks, of the same names, in another; a `SegmentedSet`.

    So are published Pascal VOC, Pascal Context, ADE20k, COCO-Stuff and Cityscapes. A mask is a PNG whose pixels hold numbers: with
    a palette, as VOC's, or in grey. Masks are read one at a time.

    Args:
        path: the folder of the data set, local or behind a URL.
        class_names: by class; a list, or a set of `concord.vocabularies`. "," stands between several names of a class.
        images: below it, the folder of images.
        masks: below it, the folder of masks.
        split: below it, a text file with a name per line, without suffix; None takes every image of the folder, and of folders in
            it (only of this machine).
        image_suffix: what follows a name in the folder of images.
        mask_suffix: what follows it in the folder of masks.
        first: the number that stands for class 0 in a mask, the next one for class 1, and so on. With 1, a background of 0 does
            not count ("reduce zero label").
        values: instead of that, by class the number that stands for it; -1 for a class that takes the rest alone.
        rest: the class of numbers that stand for none; None where such pixels do not count. 255 never counts.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a missing folder or list, and where there is no image.
        ConfigError: for numbers that do not fit the classes.
    """

    def __init__(
        self,
        path: str,
        class_names: list[str] | str,
        images: str = "JPEGImages",
        masks: str = "SegmentationClass",
        split: str | None = "ImageSets/Segmentation/val.txt",
        image_suffix: str = ".jpg",
        mask_suffix: str = ".png",
        first: int = 0,
        values: list[int] | None = None,
        rest: int | None = None,
        name: str = "segmented",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        self.name = name
        self.class_names: Sequence[str] = list(published_names(class_names) if isinstance(class_names, str) else class_names)
        self._class_of = _classes(name, len(self.class_names), first, values, rest)
        folder = below(path, images)
        self._names = _listed(below(path, split), storage) if split is not None else _found(folder, image_suffix)
        self.images = FilePictures(name, folder, storage)
        for stem in self._names:
            self.images.file(stem + image_suffix)
        if not self._names:
            raise DataError(f"{without_secrets(below(path, split) if split is not None else folder)}: no image in it")
        if len(self.images.missing()) == len(self._names):
            raise DataError(
                f"{self.images.location(0)} is not there, nor any other image of {name}; are path, images and image_suffix right?"
            )
        self._masks = ImageCells(below(path, masks), storage)
        self._mask_suffix = mask_suffix

    def mask(self, index: int) -> NDArray[np.uint8]:
        """Of one image, the class of each pixel, [H, W] with `IGNORED` where it does not count.

        Raises:
            DataError: naming the file, for a mask that is missing, broken or in colour.
        """
        file = self._names[index] + self._mask_suffix
        place = below(without_secrets(self._masks.root), file)
        try:
            stored = decode_mask(self._masks.read(file, file))
        except BadSample as bad:
            raise DataError(f"{place}: {bad.cause}; are masks and mask_suffix right?") from None
        except DataError as error:
            raise DataError(f"{place}: {error}") from None
        return self._class_of[stored]

    def fingerprint(self) -> str:
        """See `Fingerprinted`."""
        return digest(self.images.fingerprint(), self._mask_suffix, self._class_of.tolist(), self.class_names)


def _classes(name: str, count: int, first: int, values: Sequence[int] | None, rest: int | None) -> NDArray[np.uint8]:
    """By number in a mask its class, [256]."""
    if values is None:
        values = range(first, first + count)
    elif len(values) != count or first != 0:
        raise ConfigError(f"{name}: values must hold {count} numbers, one for each class, and first be 0; got {len(values)}, first={first}")
    stored = [value for value in values if value != -1]
    if not 1 <= count <= IGNORED or len(set(stored)) < len(stored) or not all(0 <= value < IGNORED for value in stored):
        raise ConfigError(f"{name}: every class must have a number of its own in [0, {IGNORED - 1}]")
    if rest is not None and not 0 <= rest < count:
        raise ConfigError(f"{name}: rest must be a class in [0, {count - 1}] or null, got {rest}")
    class_of = np.full(VALUES, IGNORED if rest is None else rest, dtype=np.uint8)
    for label, value in enumerate(values):
        if value != -1:
            class_of[value] = label
    class_of[IGNORED] = IGNORED
    return class_of


def _listed(file: str, storage: Storage) -> list[str]:
    try:
        lines = storage.read(file).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise DataError(f"{without_secrets(file)} is not UTF-8") from None
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _found(folder: str, suffix: str) -> list[str]:
    """The names of the images below a folder."""
    if not os.path.isdir(folder):
        raise DataError(f"{without_secrets(folder)} is no folder of this machine; set split to a file that lists the images")
    return sorted(_below(folder, suffix))


def _below(folder: str, suffix: str) -> Iterable[str]:
    for place, _, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        for file in files:
            if file.endswith(suffix) and not file.startswith("."):
                stem = file.removesuffix(suffix)
                yield stem if inside == "." else f"{inside.replace(os.sep, '/')}/{stem}"
