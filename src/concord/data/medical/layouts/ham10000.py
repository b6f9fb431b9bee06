"""HAM10000 and the test set of ISIC 2018, task 3: dermoscopy (Tschandl et al. 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from concord.data.benchmarks.rows import Row, csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import files_by_name
from concord.data.readers.annotated import below
from concord.data.readers.table_rows import SeparatedRows, TableFile
from concord.data.storage.storage import Storage
from concord.errors import DataError

LESIONS = {
    "akiec": "actinic keratosis",
    "bcc": "basal cell carcinoma",
    "bkl": "benign keratosis",
    "df": "dermatofibroma",
    "mel": "melanoma",
    "nv": "melanocytic nevus",
    "vasc": "vascular lesion",
}
"""By diagnosis, in the order of the labels."""

KNOWN = ("dx_type", "sex", "localization")


class HAM10000(Layout):
    """HAM10000_metadata.csv, with pictures called ISIC_0024306.jpg in any folders beside it, such as HAM10000_images_part_1 and
    HAM10000_images_part_2. There are 10,015 of 7,470 lesions, and parts keep those of a lesion together: it counts as the patient.

    They are the training part. The test part is that of ISIC 2018, where its list is given: 1,512 further pictures.

    Args:
        path: the folder, or its URL.
        test: the list below `path`, ISIC2018_Task3_Test_GroundTruth.csv, with a column per diagnosis or with dx and lesion_id;
            None leaves the test part out. Pictures of a list without lesions pass for one each.
    """

    name = "ham10000"
    modality = "dermoscopy"
    class_names = tuple(LESIONS.values())

    def __init__(self, path: str, test: str | None = None) -> None:
        self.root = path
        self._test = test

    def exams(self, storage: Storage) -> Iterator[Exam]:
        files = files_by_name(self.root, (".jpg",), storage)
        columns = ["lesion_id", "image_id", "dx", *KNOWN]
        rows = csv_rows(storage, below(self.root, "HAM10000_metadata.csv"), columns)
        yield from (_diagnosed(row, files, "train") for row in rows)
        if self._test is not None:
            yield from _test_part(storage, below(self.root, self._test), files)


def _test_part(storage: Storage, file: str, files: Mapping[str, str]) -> Iterator[Exam]:
    if "dx" in SeparatedRows(TableFile(file, storage), ",").columns:
        yield from (_diagnosed(row, files, "test") for row in csv_rows(storage, file, ["lesion_id", "image_id", "dx"]))
        return
    for row in csv_rows(storage, file, ["image", *(name.upper() for name in LESIONS)]):
        found = [label for label, name in enumerate(LESIONS) if row.number(name.upper()) == 1]
        if len(found) != 1:
            raise DataError(f"{row.place}: {len(found)} diagnoses are 1; one must be")
        image = row.text("image")
        yield Exam(_file_of(image, row, files), image, split="test", label=found[0])


def _diagnosed(row: Row, files: Mapping[str, str], split: Split) -> Exam:
    label = list(LESIONS).index(row.one_of("dx", list(LESIONS)))
    known = {column: row.cells[column] for column in KNOWN if row.cells.get(column)}
    return Exam(_file_of(row.text("image_id"), row, files), row.text("lesion_id"), split=split, label=label, known=known)


def _file_of(image: str, row: Row, files: Mapping[str, str]) -> str:
    if image not in files:
        raise DataError(f"{row.place}: there is no picture {image}.jpg; is everything unpacked?")
    return files[image]
