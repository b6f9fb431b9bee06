"""What turns the labels and texts of an exam into captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from concord.data.medical.exams import Exam


class CaptionMaker(Protocol):
    """Captions of one kind. What it makes is a pure function of its arguments."""

    speaks_of_patients: bool
    """Whether its captions hold what was written about a patient; else they are made of labels and templates alone."""

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> Sequence[str]:
        """Captions of an exam; none where it has nothing to say."""
        ...
