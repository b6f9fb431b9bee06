from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concord.data.medical.splits import PatientSplit, parts_of, require_disjoint
from concord.errors import DataError


def column(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


def test_a_patient_in_two_parts_is_an_error_that_names_the_count_and_nobody() -> None:
    patients = column("p1", "p1", "p2", "p2", "p3", "p4", "p4")
    parts = column("train", "test", "train", "validation", "test", "train", "test")
    with pytest.raises(DataError) as error:
        require_disjoint("clinic", patients, parts)
    said = "clinic: patients are in two splits (1 in train and validation, 2 in train and test)"
    assert str(error.value) == f"{said}; +patient_split@data.source.patient_split=by_patient makes splits by patient"


def test_what_is_in_no_part_overlaps_with_nothing() -> None:
    require_disjoint("clinic", column("p1", "p1"), column("train", ""))


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=80), st.floats(0, 0.6), st.floats(0, 0.39), st.integers(0, 5))
def test_splits_by_patient_share_none_for_any_exams(numbers: list[int], validation: float, test: float, seed: int) -> None:
    patients = column(*map(str, numbers))
    parts = PatientSplit(validation, test, seed).parts(patients)
    require_disjoint("clinic", patients, parts)
    assert set(parts.tolist()) <= {"train", "validation", "test"}
    for patient, part in zip(patients.tolist(), parts.tolist(), strict=True):
        assert PatientSplit(validation, test, seed).parts(column(patient))[0] == part  # it depends on nobody else


def test_shares_are_those_of_patients() -> None:
    patients = column(*map(str, range(20_000)))
    parts = PatientSplit(0.2, 0.1).parts(patients)
    counts = {part: float((parts == part).mean()) for part in ("train", "validation", "test")}
    assert counts == pytest.approx({"train": 0.7, "validation": 0.2, "test": 0.1}, abs=0.011)  # 4 standard deviations of 0.2
    assert (PatientSplit(0.2, 0.1, seed=1).parts(patients) != parts).mean() > 0.3


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.1), (0.5, 0.5), (0.1, 1.0), (float("nan"), 0.1)])
def test_shares_out_of_range_are_refused(validation: float, test: float) -> None:
    with pytest.raises(ValueError, match="validation and test must be at least 0 and together below 1"):
        PatientSplit(validation, test)


def test_an_official_part_of_another_name_is_refused() -> None:
    with pytest.raises(DataError, match="clinic: 'validate' is no split; did you mean validation"):
        parts_of("clinic", column("a", "b"), column("train", "validate"), None)


def test_a_split_of_ones_own_goes_before_the_official_one() -> None:
    patients, official = column("a", "a", "b"), column("train", "test", "")
    assert set(parts_of("clinic", patients, official, PatientSplit(0, 0)).tolist()) == {"train"}
