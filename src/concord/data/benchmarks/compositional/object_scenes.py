"""Scenes of several objects, one of them large, as in ComCO: whether models see and read all of them alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concord.data.benchmarks.rows import Row, json_list
from concord.data.readers.annotated import below
from concord.data.readers.cells import ImageCells
from concord.data.source import digest
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.types import Pair


class ObjectScenes:
    """A source of pictures whose caption names their objects in order (in the manner of ComCO; Abbasi et al. 2025,
    https://arxiv.org/abs/2502.19842).

    File: a JSON list of {image, objects, large, caption}: objects are names in the order of the caption, at least two; large is
    the place of the large one among them, or null where all have one size.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the JSON file below it.
        images: the folder of pictures below it, or anywhere.
        name: for logs and metrics.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "scenes.json",
        images: str = "images",
        name: str = "object_scenes",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        self.name = name
        self._cells = ImageCells(below(path, images), storage)
        file = below(path, annotations)
        self._scenes = [_scene(row) for row in json_list(storage, file)]
        if not self._scenes:
            raise DataError(f"{file}: no scene in it")

    def __len__(self) -> int:
        return len(self._scenes)

    def __getitem__(self, index: int) -> Pair:
        image, caption, about = self._scenes[index]
        return Pair(self._cells.read(image, image), (caption,), image, self.name, about)

    def key(self, index: int) -> str:
        return self._scenes[index][0]

    def captions(self, index: int) -> tuple[str, ...]:
        return (self._scenes[index][1],)

    def metadata(self, index: int) -> Mapping[str, Any]:
        return self._scenes[index][2]

    def fingerprint(self) -> str:
        """See `Fingerprinted`."""
        return digest(self._scenes)


def _scene(row: Row) -> tuple[str, str, dict[str, Any]]:
    """Image, caption and metadata."""
    objects = row.texts("objects")
    if len(objects) < 2 or len(set(objects)) < len(objects):
        raise row.error("objects", "a list of at least two different names", objects)
    large = None if row.cells.get("large") is None else row.index("large", len(objects))
    return row.text("image"), row.text("caption"), {"objects": objects, "large": large}
