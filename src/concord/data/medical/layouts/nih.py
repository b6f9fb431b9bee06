"""NIH ChestX-ray14 (Wang et al. 2017): frontal radiographs with findings mined from their reports, which were not published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from concord.data.benchmarks.rows import Row, csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import check_parts, files_by_name, listed_parts, require_listed
from concord.data.readers.annotated import below
from concord.data.split import share_of
from concord.data.storage.paths import is_url
from concord.data.storage.storage import Storage
from concord.errors import DataError, nearest
from concord.types import ViewPosition

FINDINGS = {
    "Atelectasis": "atelectasis",
    "Cardiomegaly": "cardiomegaly",
    "Consolidation": "consolidation",
    "Edema": "edema",
    "Effusion": "pleural effusion",
    "Emphysema": "emphysema",
    "Fibrosis": "fibrosis",
    "Hernia": "hernia",
    "Infiltration": "infiltration",
    "Mass": "mass",
    "Nodule": "nodule",
    "Pleural_Thickening": "pleural thickening",
    "Pneumonia": "pneumonia",
    "Pneumothorax": "pneumothorax",
}
NOTHING = "No Finding"
COHORT = "nih_chest"
"""Whose patients these are: RSNA's, SIIM's and others' pictures are of the same ones."""

VIEWS: Mapping[str, ViewPosition] = {"PA": "PA", "AP": "AP"}


class NIHChestXray14(Layout):
    """`Data_Entry_2017.csv`, whose header holds unquoted commas and an empty name at its end, and PNG files in `images_001/images`
    to `images_012/images` or in one folder `images`.

    Two splits are in use, and numbers on them do not compare. The official one has `train_val_list.txt` and `test_list.txt`; the
    other one (78,468 / 11,219 / 22,433 pictures, of MedMNIST and others) comes as three lists. No patient is in two parts of either.

    Args:
        path: the folder, or its URL with one folder `images`.
        lists: by part a text file with a picture's name per line, below `path`.
        validation: share of the patients of the train list that make up the validation part, in [0, 1); 0 with a list of its own.
        seed: of this share, not of the run.
        normal: whether "no finding" is a class too, the last one, so that captions can say it.
        table: the table, below `path`; `Data_Entry_2017_v2020.csv` has the same columns.

    Raises:
        ValueError: for a share outside its range, or beside a list.
    """

    name = "nih_chest"
    cohort = COHORT
    modality = "radiograph"

    def __init__(
        self,
        path: str,
        lists: dict[str, str],
        validation: float = 0.0,
        seed: int = 0,
        normal: bool = False,
        table: str = "Data_Entry_2017.csv",
    ) -> None:
        check_parts(lists)
        if not 0 <= validation < 1:
            raise ValueError(f"validation must lie in [0, 1), got {validation}")
        if validation and "validation" in lists:
            raise ValueError(f"validation must be 0 where there is a list of it, got {validation}")
        self.root = path
        self.findings = [*FINDINGS, NOTHING] if normal else list(FINDINGS)
        self.class_names = [*FINDINGS.values(), "no finding"] if normal else list(FINDINGS.values())
        self._lists, self._validation, self._seed = lists, validation, seed
        self._table = below(path, table)

    def exams(self, storage: Storage) -> Iterator[Exam]:
        columns = ["Image Index", "Finding Labels", "Patient ID", "View Position"]
        rows = list(csv_rows(storage, self._table, columns))
        files = self._files(storage)
        splits = listed_parts(storage, self.root, self._lists)
        require_listed(self.name, {row.text("Image Index") for row in rows}, splits)
        for row in rows:
            image, patient = row.text("Image Index"), str(row.index("Patient ID", 1 << 31))
            path = files.get(image, f"images/{image}")
            split = self._part(splits.get(image, ""), patient)
            yield Exam(path, patient, view=VIEWS.get(row.cells["View Position"].strip(), ""), split=split, findings=self._found(row))

    def _files(self, storage: Storage) -> dict[str, str]:
        """By name the path of each picture; none where all are in one folder."""
        if is_url(self.root) or not (Path(self.root).expanduser() / "images_001").is_dir():
            return {}
        return {f"{stem}.png": file for stem, file in files_by_name(self.root, [".png"], storage).items()}

    def _part(self, listed: Split, patient: str) -> Split:
        return "validation" if listed == "train" and share_of(patient, self._seed) < self._validation else listed

    def _found(self, row: Row) -> tuple[int, ...]:
        named = set(row.text("Finding Labels").split("|"))
        if strange := sorted(named - {*FINDINGS, NOTHING}):
            raise DataError(f"{row.place}: {strange[0]!r} is no finding of ChestX-ray14; {nearest(strange[0], FINDINGS)}")
        return tuple(int(finding in named) for finding in self.findings)


def patient_of(image: str) -> str:
    """The patient of a picture of NIH ChestX-ray14, as its table writes the number: "9999" of "00009999_000.png".

    Raises:
        DataError: for another name.
    """
    number = image.partition("_")[0]
    if not (number.isascii() and number.isdigit()):
        raise DataError(f"{image!r} is no name of a picture of NIH ChestX-ray14; they are called like 00009999_000.png")
    return str(int(number))
