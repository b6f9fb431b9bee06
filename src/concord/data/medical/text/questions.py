"""Captions from questions that were asked about a picture, and from what their answers say it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, get_args

from concord.data.filters.limits import normalise
from concord.data.medical.answers import Answered, answered
from concord.data.medical.exams import Exam
from concord.data.medical.modalities import modality_named
from concord.data.medical.text.dictionary import diagonals, with_article
from concord.data.medical.text.statements import finding, statements

Otherwise = Literal["skip", "quote"]

UNNAMED = ("radiology image", "medical image")
"""What a picture is called whose modality nobody says."""

_OF_ORGAN = ("{a image} of {organ}", "{image} showing {organ}", "{organ} on {a image}", "this is {a image} of {organ}")
_ALONE = ("{a image}", "this is {a image}", "{image} of a patient", "{a image} as it was taken")


class AnswerCaptions:
    """A sentence of each question and its answer, such as "No pneumothorax.", of which a visit reads one.

    Questions of presence, of states ("is the heart enlarged"), of the whole picture ("is this image normal"), and open ones about the
    finding, its place and its looks are stated as `concord.data.medical.text.statements` says; what is answered by no is denied. Where
    one answer says what another denies, neither is taken.

    Args:
        otherwise: what becomes of questions of other forms: "skip" them, or "quote" them with their answer.

    Raises:
        ValueError: for another value.
    """

    speaks_of_patients = True

    def __init__(self, otherwise: Otherwise = "skip") -> None:
        if otherwise not in get_args(Otherwise):
            raise ValueError(f"otherwise must be one of {', '.join(get_args(Otherwise))}, got {otherwise!r}")
        self.otherwise: Otherwise = otherwise

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> list[str]:
        pairs = answered(texts)
        denied = {normalise(other) for pair in pairs if (other := opposite(pair)) is not None}
        said = {normalise(caption): caption for pair in pairs for caption in self._captions(pair)}
        return [caption for words, caption in said.items() if words not in denied]

    def _captions(self, pair: Answered) -> Iterator[str]:
        caption = stated(pair)
        if caption is not None:
            yield caption
        elif self.otherwise == "quote":
            yield f"{pair.question} {pair.answer.rstrip('.')}."


class AboutCaptions:
    """What a picture is: its modality, its plane or projection, and the organ, as far as the layout knows them; several phrasings.

    Of an exam it reads the modality, the view, and of what is known `plane` ("axial") and `organ` ("the head"). A modality is also
    named without the organ: where nearly all CTs are of one organ, its name would else be learned as a part of the organ's.

    Args:
        phrasings: captions of a picture, at least 1; fewer where there are not so many.

    Raises:
        ValueError: for a number below 1.
    """

    speaks_of_patients = False

    def __init__(self, phrasings: int = 16) -> None:
        if phrasings < 1:
            raise ValueError(f"phrasings must be at least 1, got {phrasings}")
        self.phrasings = phrasings

    def __call__(self, exam: Exam, texts: Mapping[str, str], class_names: Sequence[str]) -> list[str]:
        organ, plane = exam.known.get("organ", ""), _plane(exam)
        if not (organ or plane or exam.modality):
            return []
        images = modality_named(exam.modality).words if exam.modality else UNNAMED
        named = [f"{plane} {image}".strip() for image in images]
        alone = _ALONE if exam.modality or plane else ()
        made = (_filled(template, image, organ) for template, image in diagonals([*(_OF_ORGAN if organ else ()), *alone], named))
        return list(dict.fromkeys(made))[: self.phrasings]


def stated(pair: Answered) -> str | None:
    """The sentence that a question and its answer make; None where none is known to be right."""
    if pair.affirmed is None:
        return finding(pair.question, pair.answer)
    sides = statements(pair.question)
    return None if sides is None else sides.affirmed if pair.affirmed else sides.denied


def opposite(pair: Answered) -> str | None:
    """The sentence that the other of yes and no would have made; None where there is none."""
    if pair.affirmed is None:
        return None
    return stated(Answered(pair.question, "no" if pair.affirmed else "yes"))


def _plane(exam: Exam) -> str:
    if exam.view in ("PA", "AP"):
        return exam.view
    return "" if exam.modality == "radiograph" else str(exam.known.get("plane", ""))


def _filled(template: str, image: str, organ: str) -> str:
    text = template.replace("{a image}", with_article(image)).replace("{image}", image).replace("{organ}", organ)
    return f"{text[0].upper()}{text[1:]}."
