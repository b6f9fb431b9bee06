"""The embedded data set `phantoms`: medical-like pictures and reports made on the fly. Synthetic, of no clinical meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np

from concord.data.phantoms import chest, ct, fundus, histology, ultrasound
from concord.data.phantoms.catalogue import MODALITIES, SEVERITIES, SIDES, class_name
from concord.data.phantoms.drawing import to_pixels
from concord.data.phantoms.reports import Report, write_report
from concord.data.phantoms.study import SPLITS, Split, Study, draw_study
from concord.errors import nearest
from concord.sentences import split_sentences
from concord.types import Caption, Pair

Labels = Literal["class", "findings", "sides"]

_PAINTERS: dict[str, Callable[[Study, int], np.ndarray]] = {
    "chest_radiograph": chest.draw,
    "ct": ct.draw,
    "ultrasound": ultrasound.draw,
    "fundus": fundus.draw,
    "histology": histology.draw,
}


class Phantoms:
    """Drawings in the manner of medical images, with made-up reports. No patient, no clinical meaning, nothing to learn
    about real images: they are there to try out and to test what medical images and reports need.

    An example is a pure function of (seed, split, modalities, index). Patients have three studies each, of one modality;
    no patient is in two splits. Chest radiographs and CT slices follow the radiological convention: the patient's left is
    on the image's right. Never flip these images without exchanging left and right in the report.

    captions: the impression, the findings, the whole report with its headings, and each sentence of the findings by itself; their
    roles are "impression", "findings", "report" and "sentence". What is not shown is denied in words ("No pneumothorax.").

    metadata: `modality`, `finding`, `laterality` ("left", "right", None), `severity` ("mild", "moderate", "severe", None),
    `patient_id`, `report` (section -> text), `synthetic` (True); and by the argument `labels` either `label` and `class_name` or
    `labels`, 1 or 0 for the findings of the study's modality and None for those of others, or 1 or 0 for the side of the finding
    that is shown and None for all others.

    Args:
        split: train or held_out, other patients.
        size: number of images; a larger one only adds images at the end.
        modalities: some of chest_radiograph, ct, ultrasound, fundus, histology; None for all. Patients take turns.
        image_size: side of the square image in pixels, at least 32.
        seed: at least 0; another seed gives other patients.
        labels: "class", one of modality and finding; "findings", any of those that the modalities can show; "sides", of a finding
            that lies on one side whether that is the left one.
        name: for logs and metrics.

    Attributes:
        class_names: by label, or of the findings, or "left FINDING".
    """

    def __init__(
        self,
        split: Split = "train",
        size: int = 20_000,
        modalities: list[str] | None = None,
        image_size: int = 64,
        seed: int = 0,
        labels: Labels = "class",
        name: str = "phantoms",
    ) -> None:
        if labels not in get_args(Labels):
            raise ValueError(f"labels must be class, findings or sides, got {labels!r}")
        if split not in SPLITS:
            raise ValueError(f"split must be train or held_out, got {split!r}")
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}")
        if image_size < 32:
            raise ValueError(f"image_size must be at least 32, got {image_size}")
        if seed < 0:
            raise ValueError(f"seed must be at least 0, got {seed}")
        chosen = list(MODALITIES) if modalities is None else modalities
        for modality in chosen:
            if modality not in MODALITIES:
                raise ValueError(f"modalities must name known ones, got {modality!r}; {nearest(modality, MODALITIES)}")
        if not chosen or len(set(chosen)) < len(chosen):
            raise ValueError(f"modalities must be one or more different names, got {chosen}")
        self.split: Split = split
        self.size = size
        self.modalities = [MODALITIES[modality] for modality in chosen]
        self.image_size = image_size
        self.seed = seed
        self.labels: Labels = labels
        self.name = name
        self.class_names = self._class_names()

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Pair:
        """The pair at `index`; its image is uint8 [image_size, image_size, 3].

        Raises:
            IndexError: outside of [-size, size).
        """
        index = range(self.size)[index]
        study = self.study(index)
        report = write_report(study)
        captions, known = _captions(report), self._describe(study, report)
        return Pair(paint(study, self.image_size), captions, self.key(index), self.name, known)

    def key(self, index: int) -> str:
        return f"{self.split}-{self.seed}-{range(self.size)[index]:07d}"

    def captions(self, index: int) -> tuple[str, ...]:
        return _captions(write_report(self.study(index)))

    def metadata(self, index: int) -> Mapping[str, Any]:
        study = self.study(index)
        return self._describe(study, write_report(study))

    def study(self, index: int) -> Study:
        """The study at `index`, unpainted."""
        return draw_study(self.modalities, self.seed, self.split, range(self.size)[index])

    def _describe(self, study: Study, report: Report) -> dict[str, Any]:
        return {
            "modality": study.modality.name,
            "finding": study.finding,
            "laterality": study.side,
            "severity": None if study.severity is None else SEVERITIES[study.severity],
            **self._classes(study),
            "patient_id": study.patient,
            "report": {"examination": report.examination, "findings": report.findings, "impression": report.impression},
            "synthetic": True,
        }

    def _class_names(self) -> list[str]:
        if self.labels == "class":
            return [class_name(modality, finding) for modality in self.modalities for finding in modality.names]
        findings = [finding for modality in self.modalities for finding in modality.findings]
        if self.labels == "sides":
            return [f"{SIDES[0]} {finding.name}" for finding in findings if finding.lateral]
        return list(dict.fromkeys(finding.name for finding in findings))

    def _classes(self, study: Study) -> dict[str, Any]:
        if self.labels == "sides":
            shown = f"{SIDES[0]} {study.finding}"
            return {"labels": [int(study.side == SIDES[0]) if name == shown else None for name in self.class_names]}
        if self.labels == "findings":
            possible = study.modality.names
            return {"labels": [int(name == study.finding) if name in possible else None for name in self.class_names]}
        name = class_name(study.modality, study.finding)
        return {"label": self.class_names.index(name), "class_name": name}


def _captions(report: Report) -> tuple[Caption, ...]:
    sections = {"impression": report.impression, "findings": report.findings, "report": report.text}
    sentences = [Caption(sentence, "sentence") for sentence in split_sentences(report.findings)]
    return (*(Caption(text, role) for role, text in sections.items()), *sentences)


def paint(study: Study, image_size: int) -> np.ndarray:
    """The picture of a study, uint8 [image_size, image_size, 3]."""
    return to_pixels(_PAINTERS[study.modality.name](study, image_size))
