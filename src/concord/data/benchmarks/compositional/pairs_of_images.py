"""EqBen and Cola: lists of two pictures with a caption each."""

from __future__ import annotations

import posixpath
from typing import Literal

from concord.data.benchmarks.compositional.questions import Missing, Questions, match_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_list, json_tuples
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.items import Item


class EqBen(Questions):
    """Frames and renderings that hardly differ (Wang et al. 2023, https://arxiv.org/abs/2303.14465), the mini set above all.

    File: a JSON list of {image0, caption0, image1, caption1}, where a caption may be a list of which the first counts. Images are
    files, or frames stored by NumPy (.npy), blue first. The subset of an item is the first folder of its images, such as eqbenag;
    the published score is the mean over these.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the JSON file below it.
        images: the folder of pictures below it, or anywhere.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "annotations.json",
        images: str = "images",
        name: str = "eqben",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        file = below(path, annotations)
        super().__init__(pictures, (_frames(number, row, pictures) for number, row in enumerate(json_list(storage, file))), file, missing)


class Cola(Questions):
    """Two objects each, with their attributes exchanged (the multi-object test of Cola; Ray et al. 2023, https://arxiv.org/abs/2305.03689).

    File: a JSON list of [image address, caption, image address, caption]; the photographs are Visual Genome's and are found by the
    last part of their address. What the authors call accuracy is the image score: each caption finds its photograph.

    Args:
        path: the folder of the test, local or behind a URL.
        annotations: the JSON file below it.
        images: the folder of photographs below it, or anywhere.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        annotations: str = "data/COLA_multiobjects_matching_benchmark.json",
        images: str = "images",
        name: str = "cola",
        missing: Missing = "error",
        storage: Storage | None = None,
    ) -> None:
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        file = below(path, annotations)
        rows = json_tuples(storage, file, ("image 1", "caption 1", "image 2", "caption 2"))
        super().__init__(pictures, (_swapped(number, row, pictures) for number, row in enumerate(rows)), file, missing)


def _frames(number: int, row: Row, pictures: FilePictures) -> Item | None:
    names = [row.text("image0"), row.text("image1")]
    texts = [_caption(row, "caption0"), _caption(row, "caption1")]
    subset = names[0].partition("/")[0] if "/" in names[0] else ""
    return match_item(str(number), [pictures.file(name) for name in names], texts, subset=subset)


def _caption(row: Row, key: Literal["caption0", "caption1"]) -> str:
    found = row.cells.get(key)
    return row.texts(key)[0] if isinstance(found, list) and found else row.text(key)


def _swapped(number: int, row: Row, pictures: FilePictures) -> Item | None:
    images = [pictures.file(posixpath.basename(row.text(key))) for key in ("image 1", "image 2")]
    return match_item(str(number), images, [row.text("caption 1"), row.text("caption 2")])
