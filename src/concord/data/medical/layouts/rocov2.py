"""ROCOv2 (Rückert et al. 2024): radiological figures of PubMed Central with concepts that were looked through by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from concord.data.benchmarks.rows import csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.figures import PMC, apart, first_there, is_there, pmc_id, warn_of_lonely
from concord.data.medical.several import numbered, text_of
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

FOLDERS: Mapping[Split, tuple[str, ...]] = {"train": ("train",), "validation": ("valid", "validation"), "test": ("test",)}
"""By part what its files and its folder may be called: copies disagree about the middle one."""


class ROCOv2(Layout):
    """`train_captions.csv`, `train_concepts.csv` and so on, `license_information.csv`, and pictures in `train/`, `valid/` and `test/`.

    Figures whose article is in a later part are in no part; see `ROCO`. Equal captions are common: `duplicate_captions` is a
    filter for them.

    texts: `caption`. known: `cuis` and `licence`, where the lists have them.

    Args:
        path: the folder.
        concepts: "concepts" for the found concepts, "concepts_manual" for the ones that were put in by hand.
    """

    name = "rocov2"
    cohort = PMC
    modality = "figure"

    def __init__(self, path: str, concepts: str = "concepts") -> None:
        self.root = path
        self._concepts = concepts

    def exams(self, storage: Storage) -> Iterator[Exam]:
        return apart(self.name, self._published(storage))

    def _published(self, storage: Storage) -> Iterator[Exam]:
        sources = self._sources(storage)
        for split, folders in FOLDERS.items():
            captions = self._captions(storage, folders)
            folder = self._folder(storage, folders, next(iter(captions)))
            concepts = self._of_part(storage, folders)
            for name, caption in captions.items():
                article, licence = sources.get(name, (name, ""))
                known = {"licence": licence} if licence else {}
                cuis = [cui.strip() for cui in concepts.get(name, "").split(";") if cui.strip()]
                texts = numbered("caption", [caption])
                yield Exam(f"{folder}/{name}.jpg", article, split=split, texts=texts, known={**known, "cuis": cuis})

    def _captions(self, storage: Storage, folders: tuple[str, ...]) -> dict[str, str]:
        files = [below(self.root, f"{folder}_captions.csv") for folder in folders]
        file = first_there(storage, files)
        if file is None:
            raise DataError(f"{' or '.join(map(without_secrets, files))}: no such file")
        return {row.text("ID"): row.cells["Caption"] for row in csv_rows(storage, file, ["ID", "Caption"])}

    def _folder(self, storage: Storage, folders: tuple[str, ...], name: str) -> str:
        """That holds the pictures of a part, whatever the lists are called."""
        there = [folder for folder in folders if is_there(storage, below(self.root, f"{folder}/{name}.jpg"))]
        return (there or folders)[0]

    def _of_part(self, storage: Storage, folders: tuple[str, ...]) -> dict[str, str]:
        file = first_there(storage, [below(self.root, f"{folder}_{self._concepts}.csv") for folder in folders])
        return {row.text("ID"): text_of(row.cells["CUIs"]) for row in csv_rows(storage, file, ["ID", "CUIs"])} if file is not None else {}

    def _sources(self, storage: Storage) -> dict[str, tuple[str, str]]:
        """By figure its article and its licence."""
        file = below(self.root, "license_information.csv")
        if not is_there(storage, file):
            warn_of_lonely(self.name, file)
            return {}
        rows = csv_rows(storage, file, ["ID", "PMCID", "Attribution"])
        return {row.text("ID"): (pmc_id(row.name("PMCID")), text_of(row.cells["Attribution"])) for row in rows}
