"""Parts by patient with the same share of every class."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.data.medical.layouts.stratified import StratifiedSplit

shares = st.floats(0, 0.49)


@given(classes=st.dictionaries(st.text(min_size=1), st.integers(0, 2)), validation=shares, test=shares, seed=st.integers(0, 3))
def test_shares_are_kept_within_each_class(classes: dict[str, int], validation: float, test: float, seed: int) -> None:
    parts = StratifiedSplit(validation, test, seed).parts(classes)
    assert parts.keys() == classes.keys()
    for label in set(classes.values()):
        own = Counter(parts[patient] for patient in classes if classes[patient] == label)
        assert abs(own["test"] - test * own.total()) <= 0.5
        assert abs(own["test"] + own["validation"] - (test + validation) * own.total()) <= 0.5
    shuffled = random.Random(seed).sample(sorted(classes), len(classes))
    assert StratifiedSplit(validation, test, seed).parts({patient: classes[patient] for patient in shuffled}) == parts


def test_other_seeds_make_other_parts() -> None:
    classes = {str(number): number % 2 for number in range(100)}
    assert StratifiedSplit(seed=0).parts(classes) != StratifiedSplit(seed=1).parts(classes)


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.5), (0.5, 0.5), (0.2, float("nan"))])
def test_shares_are_checked(validation: float, test: float) -> None:
    with pytest.raises(ValueError, match="validation and test must be at least 0 and together below 1"):
        StratifiedSplit(validation, test)
