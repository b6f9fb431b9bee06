"""Equal reports of different patients."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from concord.data.filters.limits import normalise
from concord.data.medical.text import Repeats, repeats, same_text

REPORTS = ["No acute disease.", "no acute  disease", "Large effusion.", "NO ACUTE DISEASE!", "Small effusion.", "Small effusion"]


def test_equal_reports_are_counted() -> None:
    assert repeats(REPORTS) == Repeats(texts=6, distinct=3, sharing=5, most=3)
    assert repeats([]) == Repeats(0, 0, 0, 0)
    assert repeats(["a", "b"]) == Repeats(2, 2, 0, 1)


def test_equal_reports_have_one_number() -> None:
    assert same_text(REPORTS).tolist() == [0, 0, 1, 0, 2, 2]
    assert same_text(REPORTS).dtype == np.int64
    assert same_text([]).shape == (0,)


def test_a_denial_is_not_equal_to_what_it_denies() -> None:
    assert len(set(same_text(["No effusion.", "Effusion.", "Left effusion.", "Right effusion."]).tolist())) == 4


@given(st.lists(st.text(st.sampled_from("aB .,"), max_size=6), max_size=12))
def test_numbers_and_counts_agree_with_all_pairs(texts: list[str]) -> None:
    numbers = same_text(texts)
    for (one, text), (other, another) in combinations(enumerate(texts), 2):
        assert (numbers[one] == numbers[other]) == (normalise(text) == normalise(another))
    counts = np.bincount(numbers) if texts else np.zeros(0, int)
    assert repeats(texts) == Repeats(len(texts), len(counts), int(counts[counts > 1].sum()), int(counts.max(initial=0)))
