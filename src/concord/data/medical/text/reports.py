"""Captions from the reports of radiologists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from concord.data.filters.limits import normalise
from concord.data.medical.exams import Exam
from concord.data.medical.text.cleaning import is_comparison, is_notification, report_sentences, without_masks
from concord.data.medical.text.policies import POLICIES, PolicyName, Unit
from concord.data.medical.text.sections import is_read_by_hand, without_addenda

Dropped = Literal["addenda", "notifications", "comparisons"]

RAW = "report"
"""Among the texts of an exam, a report that was not taken apart; all others are sections by their names."""

_NOTHING = {"", "no impression", "not given", "none", "nan", "n a"}
"""What stands for a missing section, as `normalise` writes it."""


class Reports:
    """Captions from a report: its chosen sections, cleaned, as a whole or sentence by sentence.

    Texts that are sections already ("findings", "impression", ...) are taken as they are; one called "report" is taken apart.
    Lines are joined, numbers of lists are left out, and so is what stands for a missing section ("NO IMPRESSION"). What is
    denied stays denied: no words are taken out of a sentence, except for masks.

    Args:
        policy: the pipeline whose way of reading is followed; see `POLICIES`.
        sections: which are read: the first of these lists that says anything, such as [[impression], [findings]] for the findings
            only where there is no impression, or [[findings, impression]] for both, in this order. None: the policy's.
        unit: "report" makes one caption, "sentences" one of each sentence. None: the policy's.
        min_words: of a caption, at least 1. None: the policy's.
        min_sentences: of what is read; reports with fewer give no caption. None: the policy's.
        mask: what stands for a de-identified span (`___`, XXXX); None takes them out.
        drop: "addenda" on top of a report; sentences that are "notifications" (who was told, and when); sentences that are
            "comparisons" with earlier pictures ("unchanged", "new").

    Raises:
        ValueError: for an argument out of its range.
    """

    speaks_of_patients = True

    def __init__(
        self,
        policy: PolicyName = "mimic_cxr",
        sections: list[list[str]] | None = None,
        unit: Unit | None = None,
        min_words: int | None = None,
        min_sentences: int | None = None,
        mask: str | None = None,
        drop: Sequence[Dropped] = ("addenda", "notifications"),
    ) -> None:
        _check_choices("policy", [policy], get_args(PolicyName))
        _check_choices("drop", drop, get_args(Dropped))
        own = POLICIES[policy]
        self._find = own.find
        self._wording = own.wording
        self.sections = own.sections if sections is None else tuple(map(tuple, sections))
        self.unit = own.unit if unit is None else unit
        self.min_words = own.min_words if min_words is None else min_words
        self.min_sentences = own.min_sentences if min_sentences is None else min_sentences
        self.mask = mask
        self.drop = frozenset(drop)
        _check_choices("unit", [self.unit], get_args(Unit))
        if not self.sections or not all(self.sections):
            raise ValueError(f"sections must hold lists of names, such as [[impression], [findings]], got {sections}")
        for argument, value in (("min_words", self.min_words), ("min_sentences", self.min_sentences)):
            if value < 1:
                raise ValueError(f"{argument} must be at least 1, got {value}")

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> list[str]:
        sentences = self._read(self._found(texts, exam.study))
        if len(sentences) < self.min_sentences:
            return []
        captions = sentences if self.unit == "sentences" else [self._whole(sentences)]
        return [caption for caption in dict.fromkeys(captions) if len(caption.split()) >= self.min_words]

    def _found(self, texts: Mapping[str, str], study: str) -> dict[str, str]:
        """The sections of an exam by name."""
        report = texts.get(RAW, "")
        if "addenda" in self.drop and not is_read_by_hand(study):
            report = without_addenda(report)
        return {**self._find(report, study), **{name: text for name, text in texts.items() if name != RAW}}

    def _read(self, found: Mapping[str, str]) -> list[str]:
        """The sentences of the first of the lists of sections that says anything."""
        for names in self.sections:
            sentences = [sentence for name in names for sentence in self._sentences(found.get(name, ""))]
            if sentences:
                return sentences
        return []

    def _sentences(self, section: str) -> list[str]:
        """The sentences of a section, as they are written in captions."""
        if normalise(section) in _NOTHING:
            return []
        kept = (without_masks(sentence, self.mask) for sentence in report_sentences(section) if not self._is_dropped(sentence))
        written = map(self._wording, kept) if self._wording is not None else kept
        return [sentence for sentence in written if any(map(str.isalnum, sentence))]

    def _whole(self, sentences: Sequence[str]) -> str:
        """Sentences one after another; entries of a list, which may end without a full stop, get one."""
        if self._wording is not None or len(sentences) == 1:
            return " ".join(sentences)
        return " ".join(f"{sentence}." if sentence[-1].isalnum() or sentence[-1] in ")]" else sentence for sentence in sentences)

    def _is_dropped(self, sentence: str) -> bool:
        return ("notifications" in self.drop and is_notification(sentence)) or ("comparisons" in self.drop and is_comparison(sentence))


def _check_choices(argument: str, values: Sequence[str], valid: Sequence[str]) -> None:
    for value in values:
        if value not in valid:
            raise ValueError(f"{argument} must be of {', '.join(valid)}, got {value!r}")
