"""Which pictures of a medical data set a source has: those of a part, and of their studies those that a policy leaves."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal

import numpy as np

from concord.data.medical.exams import FRONTAL, Exams
from concord.data.medical.splits import BY_PATIENT, Part, PatientSplit, parts_of
from concord.errors import DataError

Views = Literal["all", "frontal", "one", "one_frontal"]


def of_part(name: str, exams: Exams, split: Part, patient_split: PatientSplit | None) -> np.ndarray:
    """Indices of the exams of a part, int64 [n].

    Args:
        name: of the data set.
        exams: all.
        split, patient_split: see `MedicalImages`.

    Raises:
        DataError: for a data set without parts, and for parts that share a patient.
    """
    official = exams.column("split")
    parts = parts_of(name, exams.column("patient"), official, patient_split)
    if split == "all":
        return np.arange(len(exams))
    if len(exams) and not (parts != "").any():
        raise DataError(f"{name} has no splits of its own; {BY_PATIENT}, split=all takes everything")
    return np.flatnonzero(parts == split)


def of_views(exams: Exams, chosen: np.ndarray, views: Views) -> np.ndarray:
    """What a policy leaves of the pictures of each study, in their order, int64 [m].

    Args:
        exams: all.
        chosen: indices of those that count, int64 [n].
        views: see `MedicalImages`.
    """
    if views == "all":
        return chosen
    frontal = np.isin(exams.column("view")[chosen], FRONTAL)
    if views == "frontal":
        return chosen[frontal]
    first: dict[Hashable, int] = {}
    preferred = chosen[frontal] if views == "one_frontal" else np.concatenate([chosen[frontal], chosen[~frontal]])
    studies, patients = (exams.column(name)[preferred].tolist() for name in ("study", "patient"))
    for index, study, patient in zip(preferred.tolist(), studies, patients, strict=True):
        first.setdefault((patient, study) if study else index, index)
    return np.array(sorted(first.values()), dtype=np.int64)
