"""Splits that no patient crosses."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from concord.data.medical.exams import Split
from concord.data.split import share_of
from concord.errors import DataError, nearest

Part = Literal["train", "validation", "test", "all"]

BY_PATIENT = "+patient_split@data.source.patient_split=by_patient makes splits by patient"
"""The way out where a data set's own lists do not do."""


@dataclass(frozen=True)
class PatientSplit:
    """Parts by patient, whatever the data set's own lists say. Who is in which depends on the patient's name and the seed alone.

    Args:
        validation, test: shares of the patients, each in [0, 1), together below 1.
        seed: of the split, not of the run.
    """

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):
            raise ValueError(f"validation and test must be at least 0 and together below 1, got {self.validation} and {self.test}")

    def parts(self, patients: np.ndarray) -> np.ndarray:
        """The part that each exam's patient is in, object [N]."""
        by_patient = {patient: self._part(share_of(patient, self.seed)) for patient in set(patients.tolist())}
        return np.array([by_patient[patient] for patient in patients.tolist()], dtype=object)

    def _part(self, share: float) -> str:
        if share < self.test:
            return "test"
        return "validation" if share < self.test + self.validation else "train"


def require_disjoint(name: str, patients: np.ndarray, parts: np.ndarray) -> None:
    """Refuse parts that share a patient.

    Args:
        name: of the data set.
        patients, parts: of each exam, object [N].

    Raises:
        DataError: naming the parts and the number of patients, never a patient.
    """
    inside = {part: set(patients[parts == part].tolist()) for part in get_args(Part) if part != "all"}
    shared = {pair: len(inside[pair[0]] & inside[pair[1]]) for pair in itertools.combinations(inside, 2)}
    if found := [f"{count} in {one} and {other}" for (one, other), count in shared.items() if count]:
        raise DataError(f"{name}: patients are in two splits ({', '.join(found)}); {BY_PATIENT}")


def parts_of(name: str, patients: np.ndarray, official: np.ndarray, patient_split: PatientSplit | None) -> np.ndarray:
    """The part of each exam, object [N] of "train", "validation", "test" or "" (in none), checked.

    Raises:
        DataError: for a part of another name, and for parts that share a patient.
    """
    parts = patient_split.parts(patients) if patient_split is not None else official
    for part in set(parts.tolist()) - {*get_args(Split)}:
        raise DataError(f"{name}: {part!r} is no split; {nearest(part, (split for split in get_args(Split) if split))}")
    require_disjoint(name, patients, parts)
    return parts
