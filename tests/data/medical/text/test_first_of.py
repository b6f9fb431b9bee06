"""A report where there is one, else labels."""

from __future__ import annotations

import pytest

from concord.data.medical import Exam
from concord.data.medical.text import Figures, FirstOf, LabelCaptions, Reports

LABELS = LabelCaptions("chest_radiograph", phrasings=2)
EXAM = Exam("a.jpg", "10000099", findings=(1,))


def test_the_first_that_has_a_caption_speaks() -> None:
    maker = FirstOf([Reports(), LABELS])
    assert maker(EXAM, {"impression": "A very small effusion."}, ["mass"]) == ["A very small effusion."]
    assert maker(EXAM, {"impression": "NO IMPRESSION"}, ["mass"]) == LABELS(EXAM, {}, ["mass"])
    assert len(maker(EXAM, {}, ["mass"])) == 2
    assert not maker(Exam("a.jpg", "10000099"), {}, ["mass"])


def test_it_speaks_of_patients_if_any_of_its_makers_does() -> None:
    assert (Reports().speaks_of_patients, Figures().speaks_of_patients, LABELS.speaks_of_patients) == (True, True, False)
    assert FirstOf([LABELS, Reports()]).speaks_of_patients
    assert not FirstOf([LABELS, LABELS]).speaks_of_patients


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(ValueError, match="makers must hold at least one, got none"):
        FirstOf([])
