"""LC25000: histology of lung and colon (Borkowski et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from concord.data.benchmarks.classification.folder import folder_at, picture_files
from concord.data.medical.exams import Exam
from concord.data.medical.layout import Layout
from concord.data.storage.storage import Storage
from concord.errors import DataError

Organ = Literal["lung", "colon"]

TISSUES: dict[Organ, dict[str, str]] = {
    "lung": {
        "lung_aca": "lung adenocarcinoma",
        "lung_n": "benign lung tissue",
        "lung_scc": "lung squamous cell carcinoma",
    },
    "colon": {"colon_aca": "colon adenocarcinoma", "colon_n": "benign colon tissue"},
}
"""By organ and class folder, in the order of the labels."""


class LC25000(Layout):
    """Folders of classes, at any depth: lung_colon_image_set/lung_image_sets/lung_aca/lungaca1.jpeg, or all beside one another.

    The 25,000 pictures are turned and mirrored copies of 1,250, and nothing tells which of which. All of them may be asked about;
    to learn from some and ask about others is refused, because the others are copies, until `GroupedByLook` has found them.

    Args:
        path: the folder, on this machine.
        organ: whose classes.
    """

    modality = "histology"
    tells_patients = False

    def __init__(self, path: str, organ: Organ) -> None:
        if organ not in TISSUES:
            raise ValueError(f"organ must be one of {', '.join(TISSUES)}, got {organ!r}")
        self.name = f"lc25000_{organ}"
        self.root = path
        self.class_names = list(TISSUES[organ].values())
        self._labels = {folder: label for label, folder in enumerate(TISSUES[organ])}

    def exams(self, storage: Storage) -> Iterator[Exam]:
        found = 0
        for file in picture_files(folder_at(self.root)):
            folder = file.split("/")[-2] if "/" in file else ""
            if folder in self._labels:
                found += 1
                yield Exam(file, file, label=self._labels[folder])
        if not found:
            raise DataError(f"{self.root}: no image in a folder called {' or '.join(self._labels)}")
