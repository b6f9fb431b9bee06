"""CheXpert (Irvin et al. 2019): radiographs of the chest of 65,240 patients with findings mined from reports."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from typing import Any

from concord.access import Access
from concord.data.benchmarks.rows import csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.beside import is_there, view_of
from concord.data.medical.layouts.findings import Findings
from concord.data.readers.annotated import below
from concord.data.storage.paths import is_url, without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError
from concord.types import ViewPosition

PARTS: Mapping[Split, str] = {"train": "train.csv", "validation": "valid.csv"}

STUDY = re.compile(r"(?P<part>train|valid|test)/(?P<patient>patient\d+)/(?P<study>study\d+)")


def parsed(path: str, place: str) -> re.Match[str]:
    """Patient and study of a path such as train/patient99999/study1/view1_frontal.jpg; the folder of the archive may come first.

    Args:
        path: of a picture or of a study.
        place: the list, for messages.

    Raises:
        DataError: for a path of another form, which is not told.
    """
    found = STUDY.search(path)
    if found is None:
        raise DataError(f"{place}: every path must be FOLDER/train/patientN/studyN/NAME, or with valid or test, and one is not")
    return found


def projection(frontal: str, view: str) -> ViewPosition:
    """From the columns Frontal/Lateral and AP/PA. A few frontal pictures are marked LL or RL there: FRONTAL."""
    if view_of(frontal) != "FRONTAL":
        return view_of(frontal)
    return view_of(view) if view_of(view) in ("PA", "AP") else "FRONTAL"


class CheXpert(Layout):
    """`train.csv` and `valid.csv`, whose paths begin with the name of the archive, beside `train/` and `valid/`; of them what is
    there. The test part is an archive of its own, with `groundtruth.csv` of studies beside `test/`.

    The parts share no patient. There are no reports: see `CheXpertPlus`.

    Args:
        path: folder of the unpacked archives.
        release: folder below it: CheXpert-v1.0, or CheXpert-v1.0-small with pictures of 320 pixels.
        test: folder of the test part below `path`, such as CheXpert; None: without it.
        findings: how the findings are read; None: no classes.
    """

    name = "chexpert"
    access: Access = "restricted"
    modality = "radiograph"

    def __init__(self, path: str, release: str = "CheXpert-v1.0", test: str | None = None, findings: Findings | None = None) -> None:
        self.root = path
        self.class_names = findings.class_names if findings is not None else ()
        self._release, self._test, self._findings = release, test, findings

    def exams(self, storage: Storage) -> Iterator[Exam]:
        files = {split: below(self.root, f"{self._release}/{name}") for split, name in PARTS.items()}
        there = {split: file for split, file in files.items() if is_there(storage, file)}
        if not there and self._test is None:
            raise DataError(f"{without_secrets(below(self.root, self._release))}: neither train.csv nor valid.csv in it; is release right?")
        for split, file in there.items():
            yield from self._listed(split, file, storage)
        if self._test is not None:
            yield from self._tested(self._test, storage)

    def _listed(self, split: Split, file: str, storage: Storage) -> Iterator[Exam]:
        place = without_secrets(file)
        for row in csv_rows(storage, file, ["Path", "Frontal/Lateral", "AP/PA", *self._columns]):
            named = parsed(row.cells["Path"], place)
            image = f"{self._release}/{named.string[named.start() :]}"
            view = projection(row.cells["Frontal/Lateral"], row.cells["AP/PA"])
            yield Exam(image, named["patient"], named["study"], view, split=split, findings=self._found(row.cells, place))

    def _tested(self, folder: str, storage: Storage) -> Iterator[Exam]:
        """The pictures of the test part, each with the findings of its study: the list has no pictures, and another order."""
        file = below(self.root, f"{folder}/groundtruth.csv")
        place = without_secrets(file)
        rows = csv_rows(storage, file, ["Study", *self._columns])
        studies = {parsed(row.cells["Study"], place)[0]: self._found(row.cells, place) for row in rows}
        images = {image: parsed(image, without_secrets(self.root)) for image in self._images(folder, storage)}
        lacking = len(studies.keys() ^ {named[0] for named in images.values()})
        if lacking:
            raise DataError(f"{place}: {lacking} studies are only in it, or only in the folder beside it; is the download complete?")
        for image, named in images.items():
            view: ViewPosition = "FRONTAL" if "frontal" in image.rpartition("/")[2] else "LATERAL"
            yield Exam(image, named["patient"], named["study"], view, split="test", findings=studies[named[0]])

    def _images(self, folder: str, storage: Storage) -> Iterator[str]:
        """Of the test part, from `path`."""
        place = below(self.root, folder)
        pattern = place if is_url(place) else glob.escape(place)
        files = storage.find(f"{pattern}/test/patient*/study*/view*.jpg", ".jpg")
        return (f"{folder}/{file.removeprefix(place).lstrip('/')}" for file in files)

    @property
    def _columns(self) -> list[str]:
        return self._findings.columns if self._findings is not None else []

    def _found(self, cells: Mapping[str, Any], place: str) -> tuple[int, ...]:
        return self._findings.of(cells, place) if self._findings is not None else ()
