"""VinDr-CXR (Nguyen et al. 2022): frontal radiographs from Vietnam, each read by three radiologists, or by five together for the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

from concord.access import Access
from concord.data.benchmarks.rows import csv_rows
from concord.data.medical.exams import Exam, Split
from concord.data.medical.layout import Layout
from concord.data.medical.layouts.lists import spelled_rows
from concord.data.readers.annotated import below
from concord.data.storage.storage import Storage
from concord.errors import ConfigError, nearest

Agreement = Literal["majority", "any"]

FINDINGS = {
    "Aortic enlargement": "aortic enlargement",
    "Atelectasis": "atelectasis",
    "Calcification": "calcification",
    "Cardiomegaly": "cardiomegaly",
    "Clavicle fracture": "clavicle fracture",
    "Consolidation": "consolidation",
    "Edema": "pulmonary edema",
    "Emphysema": "emphysema",
    "Enlarged PA": "enlarged pulmonary artery",
    "ILD": "interstitial lung disease",
    "Infiltration": "infiltration",
    "Lung Opacity": "lung opacity",
    "Lung cavity": "lung cavity",
    "Lung cyst": "lung cyst",
    "Mediastinal shift": "mediastinal shift",
    "Nodule/Mass": "nodule or mass",
    "Pleural effusion": "pleural effusion",
    "Pleural thickening": "pleural thickening",
    "Pneumothorax": "pneumothorax",
    "Pulmonary fibrosis": "pulmonary fibrosis",
    "Rib fracture": "rib fracture",
    "Other lesion": "another lesion",
    "COPD": "chronic obstructive pulmonary disease",
    "Lung tumor": "lung tumor",
    "Pneumonia": "pneumonia",
    "Tuberculosis": "tuberculosis",
    "Other diseases": "another disease",
    "No finding": "no finding",
}
"""By column what prompts call it."""

BOXED = (
    *("Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Consolidation", "ILD", "Infiltration", "Lung Opacity"),
    *("Nodule/Mass", "Other lesion", "Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis", "No finding"),
)
"""Those that the challenge on Kaggle has."""

SPELLINGS = {finding: [finding] for finding in FINDINGS} | {"Other diseases": ["Other diseases", "Other disease"]}
"""The column has one name in the table of the training part and another in that of the test part."""


class _VinDr(Layout):
    """What both releases share: how readers are brought together.

    Nothing tells the patients, so that each picture passes for one.

    Args:
        path: the folder, or its URL.
        findings: columns that become classes, in this order; None takes all of the release.
        agreement: whether a finding is there where most of its readers say so, or any of them.
        known: what the release has.

    Raises:
        ConfigError: for findings that it does not have.
    """

    name = "vindr_cxr"
    modality = "radiograph"
    tells_patients = False

    def __init__(self, path: str, findings: list[str] | None, agreement: Agreement, known: tuple[str, ...]) -> None:
        self.root = path
        self.findings = findings if findings is not None else list(known)
        if wrong := [finding for finding in self.findings if finding not in known]:
            raise ConfigError(f"findings: {wrong[0]!r} is none of this release; {nearest(wrong[0], known)}")
        self.class_names = [FINDINGS[finding] for finding in self.findings]
        self._agreement = agreement

    def _exams(self, split: Split, readers: Mapping[str, int], named: Mapping[str, Counter[str]]) -> Iterator[Exam]:
        """One exam a picture.

        Args:
            split: of all of them, which is their folder's name.
            readers: by picture, how many looked at it.
            named: by picture and finding, how many of them named it.
        """
        for image, count in readers.items():
            least = 1 if self._agreement == "any" else count // 2 + 1
            found = tuple(int(named[image][finding] >= least) for finding in self.findings)
            yield Exam(f"{split}/{image}.dicom", image, split=split, findings=found)


class VinDrCXR(_VinDr):
    """The release of PhysioNet: `train/` and `test/` with DICOM files, `annotations/image_labels_{train,test}.csv` with 28 findings.

    The table of the training part has three rows a picture, one of each radiologist; that of the test part has one, which five of
    them agreed on.

    Args:
        path: the folder, or its URL.
        findings: columns that become classes, in this order; None takes all 28, "No finding" among them.
        agreement: whether a finding is there where most of its readers say so, or any of them.

    Raises:
        ConfigError: for findings that there are not.
    """

    access: Access = "credentialed"

    def __init__(self, path: str, findings: list[str] | None = None, agreement: Agreement = "majority") -> None:
        super().__init__(path, findings, agreement, tuple(FINDINGS))

    def exams(self, storage: Storage) -> Iterator[Exam]:
        parts: tuple[Split, ...] = ("train", "test")
        for split in parts:
            readers: Counter[str] = Counter()
            named: dict[str, Counter[str]] = {}
            columns = {"image_id": ["image_id"], **{finding: SPELLINGS[finding] for finding in self.findings}}
            for row in spelled_rows(storage, below(self.root, f"annotations/image_labels_{split}.csv"), columns):
                image = row.text("image_id")
                readers[image] += 1
                named.setdefault(image, Counter()).update({finding: row.index(finding, 2) for finding in self.findings})
            yield from self._exams(split, readers, named)


class VinDrKaggle(_VinDr):
    """The release of Kaggle's detection challenge: `train/` and `train.csv` with a row per box and radiologist, in 14 findings.

    Its test part came without answers, and nothing tells the patients: all is train.

    Args:
        path: the folder, or its URL.
        findings: names that become classes, in this order; None takes all 14 and "No finding".
        agreement: whether a finding is there where most of its readers say so, or any of them.

    Raises:
        ConfigError: for findings that there are not.
    """

    access: Access = "restricted"

    def __init__(self, path: str, findings: list[str] | None = None, agreement: Agreement = "majority") -> None:
        super().__init__(path, findings, agreement, BOXED)

    def exams(self, storage: Storage) -> Iterator[Exam]:
        said: dict[str, dict[str, set[str]]] = {}
        for row in csv_rows(storage, below(self.root, "train.csv"), ["image_id", "class_name", "rad_id"]):
            said.setdefault(row.text("image_id"), {}).setdefault(row.text("rad_id"), set()).add(row.one_of("class_name", BOXED))
        readers = {image: len(own) for image, own in said.items()}
        named = {image: Counter(finding for found in own.values() for finding in found) for image, own in said.items()}
        yield from self._exams("train", readers, named)
