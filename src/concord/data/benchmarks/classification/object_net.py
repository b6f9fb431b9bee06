"""ObjectNet: common objects in odd poses and places."""

from __future__ import annotations

import numpy as np

from concord.data.benchmarks.classification.folder import find_pictures, folder_at
from concord.data.benchmarks.classification.labelled import Labelled
from concord.data.benchmarks.classification.pictures import ImageFiles
from concord.data.readers.documents import load_document
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.images import decode
from concord.types import RawImage

FOLDERS, SHARED = "folder_to_objectnet_label.json", "objectnet_to_imagenet_1k.json"


class ObjectNet(Labelled):
    """The images of ObjectNet (Barbu et al. 2019) in the 113 of its 313 classes that ImageNet has too, as its archive unpacks:
    images/FOLDER/*.png and mappings/*.json.

    Two protocols are in use. Here the classes are the 113 under ObjectNet's own names, in the order of their folders, as in
    CLIP_benchmark and DataComp. WiSE-FT instead scores the 1000 classes of ImageNet and gives each of the 113 the best score
    of the one or more that it stands for; such numbers cannot be compared with these.

    Args:
        path: the folder objectnet-1.0.
        border: pixels to cut off each side. The images have a red border of 2, so that who trains on them is found out;
            CLIP_benchmark and DataComp leave it (0), WiSE-FT cuts it (2).
        name: for logs and metrics.
        storage: how files are read.

    Raises:
        DataError: for missing folders or files, and mappings that do not fit each other.
        ValueError: for a negative border.
    """

    def __init__(self, path: str, border: int = 0, name: str = "objectnet", storage: Storage | None = None) -> None:
        if border < 0:
            raise ValueError(f"border must be at least 0 pixels, got {border}")
        storage = storage if storage is not None else Storage()
        root = folder_at(path)
        shared = _shared_folders(str(root / "mappings"), storage)
        order = sorted(shared)
        labels = {folder: label for label, folder in enumerate(order)}
        images = folder_at(str(root / "images"))
        found = [picture for picture in find_pictures(images) if picture.folder in labels]
        if not found:
            raise DataError(f"{images}: none of its folders is one of the {len(order)} classes, such as {order[0]}")
        files = ImageFiles(str(images), (picture.file for picture in found), storage)
        numbers = np.array([labels[picture.folder] for picture in found], dtype=np.int64)
        pictures = Cropped(files, border) if border else files
        super().__init__(name, pictures, numbers, [shared[folder].lower() for folder in order])


class Cropped:
    """Pictures without their outermost pixels.

    Args:
        pictures: the whole ones.
        border: pixels to cut off each side, at least 1.
    """

    def __init__(self, pictures: ImageFiles, border: int) -> None:
        self._pictures = pictures
        self._border = border

    def __len__(self) -> int:
        return len(self._pictures)

    def key(self, index: int) -> str:
        return self._pictures.key(index)

    def location(self, index: int) -> str:
        return self._pictures.location(index)

    def fingerprint(self) -> str:
        return f"{self._pictures.fingerprint()}-{self._border}"

    def read(self, index: int) -> RawImage:
        whole = decode(self._pictures.read(index))
        if min(whole.size) <= 2 * self._border:
            raise DataError(f"{self.key(index)}: nothing within the border of {self._border} of {whole.width} x {whole.height} pixels")
        return whole.crop((self._border, self._border, whole.width - self._border, whole.height - self._border))


def _shared_folders(mappings: str, storage: Storage) -> dict[str, str]:
    """ObjectNet's names of the classes that ImageNet has too, by folder."""
    names, shared = (load_document(storage, f"{mappings}/{file}") for file in (FOLDERS, SHARED))
    if not shared:
        raise DataError(f"{mappings}/{SHARED}: no class in it")
    folders = {name: folder for folder, name in names.items()}
    unknown = next((name for name in shared if name not in folders), None)
    if unknown is not None:
        raise DataError(f"{mappings}/{SHARED}: {unknown!r} is not in {FOLDERS}; both must be of one release")
    return {folders[name]: name for name in shared}
