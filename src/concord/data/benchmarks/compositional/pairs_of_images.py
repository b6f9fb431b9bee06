"""EqBen and Cola: lists of two pictures with a caption each."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Literal

from concord.data.benchmarks.compositional.questions import FileQuestions, match_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_list, json_tuples
from concord.data.storage.storage import Storage
from concord.items import Item


class EqBen(FileQuestions):
    """Frames and renderings that hardly differ (Wang et al. 2023, https://arxiv.org/abs/2303.14465), the mini set above all.

    File: a JSON list of {image0, caption0, image1, caption1}, where a caption may be a list of which the first counts. Images are
    files, or frames stored by NumPy (.npy), blue first. The subset of an item is the first folder of its images, such as eqbenag;
    the published score is the mean over these.
    """

    annotations_at = "annotations.json"
    called = "eqben"

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        return (_frames(number, row, pictures) for number, row in enumerate(json_list(storage, origin)))


class Cola(FileQuestions):
    """Two objects each, with their attributes exchanged (the multi-object test of Cola; Ray et al. 2023, https://arxiv.org/abs/2305.03689).

    File: a JSON list of [image address, caption, image address, caption]; the photographs are Visual Genome's and are found by the
    last part of their address. What the authors call accuracy is the image score: each caption finds its photograph.
    """

    annotations_at = "data/COLA_multiobjects_matching_benchmark.json"
    called = "cola"

    def parse(self, origin: str, pictures: FilePictures, storage: Storage) -> Iterator[Item | None]:
        rows = json_tuples(storage, origin, ("image 1", "caption 1", "image 2", "caption 2"))
        return (_swapped(number, row, pictures) for number, row in enumerate(rows))


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
