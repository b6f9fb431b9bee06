"""The embedded data set `phantoms`: medical-like pictures and reports made on the fly. Synthetic, of no clinical meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from concord.data.phantoms import chest, ct, fundus, histology, ultrasound
from concord.data.phantoms.catalogue import MODALITIES, SEVERITIES, class_name
from concord.data.phantoms.drawing import to_pixels
from concord.data.phantoms.reports import Report, write_report
from concord.data.phantoms.study import SPLITS, Split, Study, draw_study
from concord.errors import nearest
from concord.types import Pair

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

    captions: the impression, the findings, the whole report with its headings. What is not shown is denied in words
    ("No pneumothorax.").

    metadata: `modality`, `finding`, `laterality` ("left", "right", None), `severity` ("mild", "moderate", "severe", None),
    `label` and `class_name` (modality and finding), `patient_id`, `report` (section -> text), `synthetic` (True).

    Args:
        split: train or held_out, other patients.
        size: number of images; a larger one only adds images at the end.
        modalities: some of chest_radiograph, ct, ultrasound, fundus, histology; None for all. Patients take turns.
        image_size: side of the square image in pixels, at least 32.
        seed: at least 0; another seed gives other patients.
    """

    name = "phantoms"

    def __init__(
        self,
        split: Split = "train",
        size: int = 20_000,
        modalities: list[str] | None = None,
        image_size: int = 64,
        seed: int = 0,
    ) -> None:
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
        self.class_names = [class_name(modality, finding) for modality in self.modalities for finding in modality.names]

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
        return Pair(
            image=paint(study, self.image_size),
            captions=(report.impression, report.findings, report.text),
            key=f"{self.split}-{self.seed}-{index:07d}",
            source=self.name,
            metadata=self._describe(study, report),
        )

    def study(self, index: int) -> Study:
        """The study at `index`, unpainted."""
        return draw_study(self.modalities, self.seed, self.split, range(self.size)[index])

    def _describe(self, study: Study, report: Report) -> dict[str, Any]:
        name = class_name(study.modality, study.finding)
        return {
            "modality": study.modality.name,
            "finding": study.finding,
            "laterality": study.side,
            "severity": None if study.severity is None else SEVERITIES[study.severity],
            "label": self.class_names.index(name),
            "class_name": name,
            "patient_id": study.patient,
            "report": {"examination": report.examination, "findings": report.findings, "impression": report.impression},
            "synthetic": True,
        }


def paint(study: Study, image_size: int) -> np.ndarray:
    """The picture of a study, uint8 [image_size, image_size, 3]."""
    return to_pixels(_PAINTERS[study.modality.name](study, image_size))
