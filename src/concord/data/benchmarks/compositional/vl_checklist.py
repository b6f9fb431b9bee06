"""VL-CheckList: photographs of four data sets, and phrases with one word replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import yaml

from concord.data.benchmarks.compositional.questions import Missing, Questions, texts_item
from concord.data.benchmarks.pictures import FilePictures
from concord.data.benchmarks.rows import Row, json_tuples
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.items import Item

VLPart = Literal[
    "Attribute/action",
    "Attribute/color",
    "Attribute/material",
    "Attribute/size",
    "Attribute/state",
    "Object/Location/center",
    "Object/Location/margin",
    "Object/Location/mid",
    "Object/Size/large",
    "Object/Size/medium",
    "Object/Size/small",
    "Relation/action",
    "Relation/spatial",
]
_VG, _SWIG = ("vg_obj", "vg_subj"), ("swig_agent", "swig_destination", "swig_item", "swig_tool")
_ATTRIBUTE, _OBJECT = ("vg", "vaw"), (*_VG, *_SWIG, "hake")

CORPORA: dict[VLPart, tuple[str, ...]] = {
    "Attribute/action": _ATTRIBUTE,
    "Attribute/color": _ATTRIBUTE,
    "Attribute/material": _ATTRIBUTE,
    "Attribute/size": _ATTRIBUTE,
    "Attribute/state": _ATTRIBUTE,
    "Object/Location/center": _OBJECT,
    "Object/Location/margin": _OBJECT,
    "Object/Location/mid": _OBJECT,
    "Object/Size/large": _OBJECT,
    "Object/Size/medium": _OBJECT,
    "Object/Size/small": _OBJECT,
    "Relation/action": ("vg", "swig", "hake"),
    "Relation/spatial": ("vg",),
}
"""What each part of the test is made of, by the names of its files."""


class VLCheckList(Questions):
    """A right and a wrong phrase per photograph (Zhao et al. 2022, https://arxiv.org/abs/2207.00221).

    Files, as in the repository: corpus/v1/PART/CORPUS.yaml names by ANNO_PATH a JSON list of [image, {POS: [...], NEG: [...]}] and
    by IMG_ROOT the folder of its images (vg, swig or hake). The first phrase of each side counts. The subset of an item is its
    part with the data set of its photograph ("Object/Size/large/swig"), so that parts can be averaged over data sets.

    Many pictures of SWiG and HAKE can no longer be had. The authors leave out the questions about them, and so does `missing`
    "skip", which says how many are left.

    Args:
        path: the folder of the repository, local or behind a URL.
        images: the folder that holds vg, swig and hake, below it, or anywhere; "" is the folder itself.
        parts: of the test; null for all 13.
        limit: at most so many questions of each corpus, the first whose picture is there; the authors' configuration has 1000.
        name: for logs and metrics.
        missing: what to do where a picture is not there; see `Questions`.
        storage: how files are read; from the disk or any URL when not given.

    Raises:
        ValueError: for a limit below 1.
        DataError: for a file that is missing or of another form, and for missing pictures.
    """

    def __init__(
        self,
        path: str,
        images: str = "",
        parts: list[VLPart] | None = None,
        limit: int | None = None,
        name: str = "vl_checklist",
        missing: Missing = "skip",
        storage: Storage | None = None,
    ) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1 or null, got {limit}")
        storage = storage if storage is not None else Storage()
        pictures = FilePictures(name, below(path, images), storage)
        items = (
            item for part in parts or CORPORA for corpus in CORPORA[part] for item in _corpus(path, part, corpus, pictures, storage, limit)
        )
        super().__init__(pictures, items, path, missing)


def _corpus(path: str, part: VLPart, corpus: str, pictures: FilePictures, storage: Storage, limit: int | None) -> Iterator[Item | None]:
    """The questions of a corpus, up to so many whose picture is there; those between whose picture is not are counted later."""
    settings = _settings(storage, below(path, f"corpus/v1/{part}/{corpus}.yaml"))
    subset = f"{part}/{corpus.partition('_')[0]}"
    folder = settings.text("IMG_ROOT").strip("/")
    there = 0
    for number, row in enumerate(json_tuples(storage, below(path, settings.text("ANNO_PATH")), ("image", "texts"))):
        if there == limit:
            return
        image, texts = pictures.file(f"{folder}/{row.text('image')}"), row.inner("texts")
        there += pictures.has(image)
        yield texts_item(f"{corpus}/{number}", image, texts.texts("POS")[:1], texts.texts("NEG")[:1], subset=subset)


def _settings(storage: Storage, file: str) -> Row:
    place = without_secrets(file)
    try:
        settings = yaml.safe_load(storage.read(file))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{place} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(settings, dict):
        raise DataError(f"{place}: expected ANNO_PATH and IMG_ROOT, got {type(settings).__name__}")
    return Row(place, settings)
