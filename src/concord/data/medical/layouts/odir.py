"""ODIR-5K: fundus photographs of both eyes of 5,000 patients, in the version with full_df.csv."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from concord.data.benchmarks.rows import Row, csv_rows
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import DataError

DISEASES = {
    "N": "no disease",
    "D": "diabetic retinopathy",
    "G": "glaucoma",
    "C": "cataract",
    "A": "age-related macular degeneration",
    "H": "hypertensive retinopathy",
    "M": "pathologic myopia",
    "O": "other diseases or abnormalities",
}
"""By letter, in the order of the labels."""


class ODIR(Layout):
    """full_df.csv, a row per eye, beside preprocessed_images/.

    Its columns N, D, G, C, A, H, M, O are of the patient: a healthy eye has the diseases of the other one. Its column `labels`
    is of the eye. Both eyes are one patient; `known["side"]` tells which one it is, `known["keywords"]` what was seen in it.

    Args:
        path: the folder, or its URL.
        labels: "eye", the one class of each picture; or "patient", eight findings that both eyes share.
        images: folder of the pictures, below it.
    """

    name = "odir"
    modality = "fundus"
    class_names = tuple(DISEASES.values())

    def __init__(self, path: str, labels: Literal["eye", "patient"] = "eye", images: str = "preprocessed_images") -> None:
        if labels not in ("eye", "patient"):
            raise ValueError(f"labels must be eye or patient, got {labels!r}")
        self.root = below(path, images)
        self._table = below(path, "full_df.csv")
        self._of_eye = labels == "eye"

    def exams(self, storage: Storage) -> Iterator[Exam]:
        keywords = ["Left-Diagnostic Keywords", "Right-Diagnostic Keywords"]
        for row in csv_rows(storage, self._table, ["ID", *keywords, *DISEASES, "labels", "filename"]):
            image = row.text("filename")
            side = "left" if "_left" in image else "right"
            known = {"side": side, "keywords": row.text(f"{side.capitalize()}-Diagnostic Keywords")}
            yield Exam(image, row.text("ID"), study=row.text("ID"), known=known, **self._classes(row))

    def _classes(self, row: Row) -> dict[str, Any]:
        if not self._of_eye:
            return {"findings": tuple(row.index(letter, 2) for letter in DISEASES)}
        letters = row.literal("labels").texts("labels")
        if len(letters) != 1 or letters[0] not in DISEASES:
            raise DataError(f"{row.place}: labels must be one of {', '.join(DISEASES)}, got {letters}")
        return {"label": list(DISEASES).index(letters[0])}
