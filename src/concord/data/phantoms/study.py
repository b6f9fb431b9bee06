"""A study: who, what and how much, drawn from (seed, split, index)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from concord.data.phantoms.catalogue import SEVERITIES, SIDES, Modality

Split = Literal["train", "held_out"]
SPLITS = ("train", "held_out")

STUDIES_PER_PATIENT = 3


@dataclass(frozen=True)
class Study:
    """One picture to be made of one patient.

    Attributes:
        side: the patient's side on which the finding lies, or which eye; None where sides have no meaning.
        severity: 0 mild, 1 moderate, 2 severe; None without a finding.
        anatomy: seeds what the studies of one patient share.
        detail: seeds what is this study's own: grain and tissue, form of the finding, words of the report.
    """

    modality: Modality
    finding: str
    side: str | None
    severity: int | None
    patient: str
    anatomy: tuple[int, ...]
    detail: tuple[int, ...]

    @property
    def extent(self) -> float:
        """Severity on a scale of 0 (nothing) to 1 (severe)."""
        return 0.0 if self.severity is None else (self.severity + 1) / len(SEVERITIES)

    def streams(self) -> tuple[np.random.Generator, np.random.Generator, np.random.Generator]:
        """Randomness for the anatomy, for grain and tissue, and for the finding.

        They are apart, so that a study differs from its twin without the finding by nothing but the finding.
        """
        anatomy, grain, finding = (np.random.default_rng(key) for key in (self.anatomy, (*self.detail, 2), (*self.detail, 3)))
        return anatomy, grain, finding

    def side_in_image(self) -> int:
        """-1 where the study's side lies in the left half of the image, +1 in the right half.

        Radiological convention: the patient faces the viewer, whose right-hand side shows the patient's left.
        """
        return 1 if self.side == "left" else -1


def draw_study(modalities: list[Modality], seed: int, split: Split, index: int) -> Study:
    """The study at `index`. Patients follow one another, `STUDIES_PER_PATIENT` studies each, all of one modality.

    Modalities take turns from patient to patient and findings from study to study of a modality; side and severity are
    drawn. Patients of the two splits have nothing in common.
    """
    patient, visit = divmod(index, STUDIES_PER_PATIENT)
    modality = modalities[patient % len(modalities)]
    turn = patient // len(modalities) * STUDIES_PER_PATIENT + visit
    finding = modality.names[turn % len(modality.names)]
    anatomy = (seed, SPLITS.index(split), patient)
    detail = (*anatomy, visit + 1)
    side, severity = _draw_side_and_severity(modality, finding, np.random.default_rng((*detail, 1)))
    return Study(modality, finding, side, severity, f"phantom-{split}-{seed}-{patient:06d}", anatomy, detail)


def _draw_side_and_severity(modality: Modality, name: str, rng: np.random.Generator) -> tuple[str | None, int | None]:
    finding = modality.finding(name)
    side = SIDES[rng.integers(2)] if modality.paired or (finding is not None and finding.lateral) else None
    severity = None if finding is None else int(rng.integers(len(SEVERITIES)))
    return side, severity
