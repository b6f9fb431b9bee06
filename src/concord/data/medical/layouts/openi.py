"""OpenI, the chest X-rays of Indiana University (Demner-Fushman et al. 2016): 7,470 radiographs with 3,955 reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal
from xml.etree.ElementTree import Element

from concord.data.benchmarks.rows import csv_rows, json_object
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.beside import one_part, view_of
from concord.data.medical.safe_xml import parse_xml, text_of
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.types import ViewPosition

IMAGE = re.compile(r"(?P<report>CXR(?P<number>\d+))_(?:\d+_)?(?P<rest>IM-[\w-]+)")
"""Names of pictures, such as CXR9001_IM-9001-1001; those of the first report have its number twice."""

SECTIONS = ("comparison", "indication", "findings", "impression")
SPLITS: Mapping[str, Split] = {"train": "train", "val": "validation", "test": "test"}


class OpenI(Layout):
    """One XML file per report, with the names of its pictures: none of about 100 reports, mostly two, at most five.

    Nothing tells the patients beyond the report, which passes for one. Sections without text are left out, and so are reports
    without pictures. The files do not say what projection a picture has: a list of the Kaggle mirror does.

    Args:
        path: the folder.
        images: folder of the pictures, below `path`.
        release: png: `CXR9001_IM-9001-1001.png`; dicom: `9001/9001_IM-9001-1001.dcm`.
        reports: folder of the XML files, below `path`.
        splits: R2Gen's `annotation.json` (Chen et al. 2020), below `path`; reports that it does not have are in no part.
            None: no splits.
        projections: `indiana_projections.csv`, below `path`; None: no projection is known.
    """

    name = "openi"
    modality = "radiograph"

    def __init__(
        self,
        path: str,
        images: str = "NLMCXR_png",
        release: Literal["png", "dicom"] = "png",
        reports: str = "ecgen-radiology",
        splits: str | None = None,
        projections: str | None = None,
    ) -> None:
        self.root = below(path, images)
        self._release: Literal["png", "dicom"] = release
        self._reports = below(path, reports)
        self._splits = below(path, splits) if splits is not None else None
        self._projections = below(path, projections) if projections is not None else None

    def exams(self, storage: Storage) -> Iterator[Exam]:
        splits = splits_of(self._splits, storage)
        views = self._views(storage)
        for file in sorted(storage.find(self._reports, ".xml"), key=lambda file: (len(file), file)):
            yield from self._of_report(_document(storage, file), without_secrets(file), splits, views)

    def _of_report(self, report: Element, place: str, splits: Mapping[str, Split], views: Mapping[str, ViewPosition]) -> Iterator[Exam]:
        named = report.find("uId")
        uid = named.get("id", "") if named is not None else ""
        if not uid:
            raise DataError(f"{place}: no uId with an id in it; is it a report of OpenI?")
        sections = {found.get("Label", "").lower(): text_of(found) for found in report.iter("AbstractText")}
        texts = {name: sections[name] for name in SECTIONS if sections.get(name)}
        known = {"mesh": [text_of(heading) for heading in report.iterfind("MeSH/major")]}
        for picture in report.iter("parentImage"):
            image = _parsed(picture.get("id", ""), place)
            view = views.get(f"{image['number']}_{image['rest']}", "")
            yield Exam(self._file(image), uid, uid, view, split=splits.get(uid, ""), texts=texts, known=known)

    def _file(self, image: re.Match[str]) -> str:
        if self._release == "png":
            return f"{image[0]}.png"
        return f"{image['number']}/{image['number']}_{image['rest']}.dcm"

    def _views(self, storage: Storage) -> dict[str, ViewPosition]:
        """By the DICOM file's name without suffix, such as 9001_IM-9001-1001."""
        if self._projections is None:
            return {}
        rows = csv_rows(storage, self._projections, ["filename", "projection"])
        return {row.cells["filename"].partition(".")[0]: view_of(row.cells["projection"]) for row in rows}


class OpenIKaggle(Layout):
    """The mirror on Kaggle: `indiana_reports.csv` and `indiana_projections.csv` beside a folder of pictures, which says of each
    picture whether it is frontal. It lacks some of the reports.

    Args:
        path: the folder.
        images: folder of the pictures, below `path`.
        splits: see `OpenI`.
    """

    name = "openi"
    modality = "radiograph"

    def __init__(self, path: str, images: str = "images/images_normalized", splits: str | None = None) -> None:
        self.root = below(path, images)
        self._path = path
        self._splits = below(path, splits) if splits is not None else None

    def exams(self, storage: Storage) -> Iterator[Exam]:
        splits = splits_of(self._splits, storage)
        rows = csv_rows(storage, below(self._path, "indiana_reports.csv"), ["uid", "MeSH", *SECTIONS])
        reports = {row.name("uid"): row.cells for row in rows}
        for row in csv_rows(storage, below(self._path, "indiana_projections.csv"), ["uid", "filename", "projection"]):
            cells = reports.get(row.name("uid"), {})
            uid = f"CXR{row.name('uid')}"
            texts = {name: text for name in SECTIONS if (text := " ".join(cells.get(name, "").split()))}
            known = {"mesh": [heading for heading in cells.get("MeSH", "").split(";") if heading]}
            view = view_of(row.text("projection"))
            yield Exam(row.text("filename"), uid, uid, view, split=splits.get(uid, ""), texts=texts, known=known)


def splits_of(file: str | None, storage: Storage) -> dict[str, Split]:
    """R2Gen's part of each report, by its uId; empty without a file.

    Raises:
        DataError: for a file of another form, and reports in two parts.
    """
    if file is None:
        return {}
    document = json_object(storage, file)
    places: list[tuple[str, str]] = []
    for part in SPLITS:
        for entry in document.values(part):
            if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
                raise DataError(f"{document.place}: {part} must list objects with an id; is it annotation.json of R2Gen?")
            places.append((entry["id"].partition("_")[0], part))
    return {uid: SPLITS[part] for uid, part in one_part(places, file).items()}


def _document(storage: Storage, file: str) -> Element:
    try:
        return parse_xml(storage.read(file))
    except ValueError as error:
        raise DataError(f"{without_secrets(file)} {error}") from None


def _parsed(name: str, place: str) -> re.Match[str]:
    found = IMAGE.fullmatch(name)
    if found is None:
        raise DataError(f"{place}: {name!r} is no name of a picture such as CXR9001_IM-9001-1001")
    return found
