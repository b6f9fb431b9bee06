"""ROCO (Pelka et al. 2018): radiological and other figures of PubMed Central."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from concord.data.benchmarks.retrieval.captioned import lines_of
from concord.data.benchmarks.rows import csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.figures import PMC, apart, is_there, pmc_id, warn_of_lonely
from concord.data.medical.several import numbered
from concord.data.readers.annotated import below
from concord.data.storage.paths import without_secrets
from concord.data.storage.storage import Storage
from concord.errors import DataError

Kind = Literal["radiology", "non-radiology", "both"]
Packaging = Literal["repository", "kaggle"]

TABLES: Mapping[Split, str] = {"train": "radiologytraindata.csv", "validation": "radiologyvaldata.csv", "test": "radiologytestdata.csv"}


class ROCO(Layout):
    """`{train,validation,test}/{radiology,non-radiology}/` with text files, a line and tabs per picture, and `images/ROCO_00001.jpg`.

    The published split was drawn by picture, so that figures of one article are in several parts. Here the test part is as it
    was published, and of the others those figures are left out whose article is in a later part; `patient_split` draws new
    parts by article instead.

    texts: `caption`. known: `kind`, `licence`, and where the lists have them `cuis`, `keywords` and `semantic_types`.

    Args:
        path: the folder that holds train, validation and test: `data` of the repository, `all_data` of Kaggle's copy.
        kind: which figures.
        packaging: where captions stand: in `captions.txt` of the repository, or in Kaggle's `train/radiologytraindata.csv`, which
            there is of radiological figures only.

    Raises:
        ValueError: for another kind or packaging, and figures that Kaggle's copy does not list.
    """

    name = "roco"
    cohort = PMC
    modality = "figure"

    def __init__(self, path: str, kind: Kind = "radiology", packaging: Packaging = "repository") -> None:
        for argument, value, valid in (("kind", kind, get_args(Kind)), ("packaging", packaging, get_args(Packaging))):
            if value not in valid:
                raise ValueError(f"{argument} must be one of {', '.join(valid)}, got {value!r}")
        if packaging == "kaggle" and kind != "radiology":
            raise ValueError(f"kind must be radiology with packaging kaggle, got {kind}")
        self.root = path
        self._kinds = get_args(Kind)[:2] if kind == "both" else (kind,)
        self._packaging = packaging

    def exams(self, storage: Storage) -> Iterator[Exam]:
        return apart(self.name, self._published(storage))

    def _published(self, storage: Storage) -> Iterator[Exam]:
        for split in TABLES:
            for kind in self._kinds:
                folder = f"{split}/{kind}"
                lists = _Lists(storage, below(self.root, folder))
                for name, file, caption in self._captions(storage, split, folder):
                    article, licence = lists.licences.get(name, (name, ""))
                    known = {"kind": kind, "licence": licence, **lists.known(name)}
                    texts = numbered("caption", [caption])
                    yield Exam(f"{folder}/images/{file}", article, split=split, texts=texts, known=known)

    def _captions(self, storage: Storage, split: Split, folder: str) -> Iterator[tuple[str, str, str]]:
        """Of each figure its name, its file and its caption."""
        if self._packaging == "repository":
            for name, caption in lines_by_name(storage, below(self.root, f"{folder}/captions.txt")).items():
                yield name, f"{name}.jpg", caption
            return
        for row in csv_rows(storage, below(self.root, f"{split}/{TABLES[split]}"), ["id", "name", "caption"]):
            yield row.text("id"), row.text("name"), row.cells["caption"]


class _Lists:
    """What the files beside the captions say. Only licences.txt tells the articles; the others are optional.

    Attributes:
        licences: by figure its article and its licence.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self.licences = _licences(storage, below(folder, "licences.txt"))
        files = {"cuis": "cuis.txt", "keywords": "keywords.txt", "semantic_types": "semtypes.txt"}
        found = {name: below(folder, file) for name, file in files.items() if is_there(storage, below(folder, file))}
        self._fields = {name: lines_by_name(storage, file) for name, file in found.items()}

    def known(self, figure: str) -> dict[str, Any]:
        fields = {name: lines.get(figure, "").split("\t") for name, lines in self._fields.items()}
        return {name: [field.strip() for field in values if field.strip()] for name, values in fields.items()}


def lines_by_name(storage: Storage, file: str) -> dict[str, str]:
    """What follows the name and a tab in each line; blank lines are left out.

    Raises:
        DataError: for a file that is missing or not UTF-8, and a line without a tab.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(lines_of(storage, file), start=1):
        name, tab, rest = line.partition("\t")
        if tab:
            found[name.strip()] = rest
        elif line.strip():
            raise DataError(f"{without_secrets(file)}, line {number}: expected a name and a tab")
    return found


def _licences(storage: Storage, file: str) -> dict[str, tuple[str, str]]:
    """By figure its article and its licence; empty where there is no such file."""
    if not is_there(storage, file):
        warn_of_lonely(ROCO.name, file)
        return {}
    header, *lines = lines_of(storage, file) or [""]
    if header.replace(" ", "") != "ROCO_ID,PMC_ID,CC":
        raise DataError(f"{without_secrets(file)}: expected ROCO_ID,PMC_ID,CC in its first line")
    rows = [[cell.strip() for cell in line.split(",", 2)] for line in lines if line.strip()]
    if wrong := [row for row in rows if len(row) != 3]:
        raise DataError(f"{without_secrets(file)}: expected 3 cells in each line, got {len(wrong[0])} for {wrong[0][0]}")
    return {name: (pmc_id(picture), licence) for name, picture, licence in rows}
