"""REFUGE: fundus photographs with and without glaucoma (Orlando et al. 2020)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from concord.access import Access
from concord.data.benchmarks.rows import json_table
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import check_parts, files_by_name, spelled_rows
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError

NAMED = re.compile(r"[gn]\d{4}", re.IGNORECASE)
"""Names of training pictures without their suffix: g0001 has glaucoma, n0001 has none."""

COLUMNS = {"ImgName": ("ImgName", "image"), "Label": ("Label", "Label(Glaucoma=1)", "label")}


class REFUGE(Layout):
    """Pictures in any folders below one. Those of the training set tell their class in their name; those of the others stand in
    lists. Whose eyes they are is not told.

    FLAIR and UniMed-CLIP test on the 400 pictures of the training set, of which 40 show glaucoma: numbers on the test set are of
    other pictures, taken with another camera.

    Args:
        path: the folder, on this machine.
        lists: by part ("validation", "test") its list, below `path`: index.json of objects with ImgName and Label, or a CSV file
            with such columns.
    """

    name = "refuge"
    access: Access = "restricted"
    modality = "fundus"
    tells_patients = False
    class_names = ("no glaucoma", "glaucoma")

    def __init__(self, path: str, lists: dict[str, str] | None = None) -> None:
        check_parts(lists or {})
        self.root = path
        self._lists: dict[Split, str] = dict(lists or {})  # type: ignore[assignment]

    def exams(self, storage: Storage) -> Iterator[Exam]:
        files = files_by_name(self.root, (".jpg",), storage)  # the masks of discs and cups have the same names and other suffixes
        for name, file in files.items():
            if NAMED.fullmatch(name):
                yield Exam(file, file, split="train", label=int(name[0] in "gG"))
        for part, table in self._lists.items():
            yield from _listed(storage, below(self.root, table), part, files)


def _listed(storage: Storage, table: str, part: Split, files: Mapping[str, str]) -> Iterator[Exam]:
    rows = (row for _, row in json_table(storage, table)) if table.endswith(".json") else spelled_rows(storage, table, COLUMNS)
    for row in rows:
        name = PurePosixPath(row.text("ImgName")).stem
        if name not in files:
            raise DataError(f"{row.place}: its picture is not there; is everything unpacked?")
        yield Exam(files[name], files[name], split=part, label=row.index("Label", 2))
