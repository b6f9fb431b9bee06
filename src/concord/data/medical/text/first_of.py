"""The first of several captions that can be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from concord.data.medical.captions import CaptionMaker
from concord.data.medical.exams import Exam


class FirstOf:
    """Captions of the first maker that has any: a report where there is one, else its labels (UniMed-CLIP, Khattak et al. 2024).

    Args:
        makers: at least one, the best first.

    Attributes:
        speaks_of_patients: whether one of its makers does.

    Raises:
        ValueError: without makers.
    """

    def __init__(self, makers: list[CaptionMaker]) -> None:
        if not makers:
            raise ValueError("makers must hold at least one, got none")
        self.makers = list(makers)
        self.speaks_of_patients = any(maker.speaks_of_patients for maker in makers)

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> Sequence[str]:
        return next((captions for maker in self.makers if (captions := maker(exam, texts, class_names))), ())
