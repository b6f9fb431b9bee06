"""AnswerChoice: questions about medical pictures, answered by the sentence that fits the picture best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from concord.access import Access
from concord.data.filters.limits import normalise
from concord.data.medical.answers import Answered, answered
from concord.data.medical.source import MedicalImages
from concord.data.medical.text.dictionary import bare
from concord.data.medical.text.questions import opposite, stated
from concord.data.source import digest
from concord.errors import DataError
from concord.items import Item

CLOSED, OPEN = "closed", "open"


class AnswerChoice:
    """An `ItemSet`: visual questions as a choice between texts.

    A question of subset "closed" is answered by yes or no. Its texts are what both answers state ("Pneumothorax.", "No pneumothorax."),
    or where no sentence is known, the question with "yes" and with "no". Of subset "open" are all others; their texts are the question
    with each of a list of answers.

    The list is what was answered to open questions about the pictures of `vocabulary`, those of training: a question whose answer is
    not in it counts as wrong. PubMedCLIP's list (Eslami et al. 2023) has the answers of the test questions in it, too. Answers are the
    same whatever their capitals, punctuation, and article.

    The group of an item is the type of its question, where the layout knows it; its unit is the patient.

    Args:
        source: the pictures with their questions.
        vocabulary: pictures whose answers may be given to open questions; None leaves these out.
        name: for logs and metrics; the source's when not given.

    Attributes:
        images, access: the source's.
        items: the questions.
        unseen: how many open questions have an answer that is not in the list.

    Raises:
        DataError: without any question, and for a list of fewer than two answers.
    """

    def __init__(self, source: MedicalImages, vocabulary: MedicalImages | None = None, name: str | None = None) -> None:
        self.name = name if name is not None else source.name
        self.images = source
        self.access: Access = source.access
        answers = None if vocabulary is None else answers_of(vocabulary)
        if answers is not None and len(answers) < 2:
            raise DataError(f"vocabulary: {len(answers)} answers to open questions in {source.name}, which leaves no choice")
        self.items = [item for image in range(len(source)) for item in _items(source, image, answers)]
        self.unseen = sum(not item.right for item in self.items)
        if not self.items:
            raise DataError(f"{self.name}: no question in it")

    def fingerprint(self) -> str:
        """See `Fingerprinted`; of the pictures and of the questions."""
        return digest(self.images.fingerprint(), [(item.key, item.texts, item.right) for item in self.items])


def answers_of(source: MedicalImages) -> dict[str, str]:
    """The answers to open questions about some pictures, by what makes two of them the same, in its order."""
    found: dict[str, str] = {}
    for exam in source.exams:
        for pair in answered(exam.texts):
            if pair.affirmed is None:
                found.setdefault(same_answer(pair.answer), pair.answer)
    return dict(sorted(found.items()))


def same_answer(answer: str) -> str:
    """An answer without what does not matter: capitals, punctuation, spaces, and an article."""
    return bare(normalise(answer))


def _items(source: MedicalImages, image: int, answers: Mapping[str, str] | None) -> Iterator[Item]:
    exam = source.exams[image]
    types = exam.known.get("question_types", [])
    for number, pair in enumerate(answered(exam.texts)):
        key, group = f"{source.key(image)}/{number}", next(iter(types[number]), "") if types else ""
        if pair.affirmed is not None:
            yield Item(key, "texts", (image,), _closed(pair), 1, CLOSED, group, exam.patient)
        elif answers is not None:
            right, texts = _open(pair, answers)
            yield Item(key, "texts", (image,), texts, right, OPEN, group, exam.patient)


def _closed(pair: Answered) -> tuple[str, str]:
    said, other = stated(pair), opposite(pair)
    if said is not None and other is not None:
        return said, other
    answers = ("yes", "no") if pair.affirmed else ("no", "yes")
    return f"{pair.question} {answers[0]}", f"{pair.question} {answers[1]}"


def _open(pair: Answered, answers: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    """Whether the right answer is among the texts, and these, the right one first."""
    own = same_answer(pair.answer)
    order = [own, *(answer for answer in answers if answer != own)] if own in answers else list(answers)
    return int(own in answers), tuple(f"{pair.question} {answers[answer]}" for answer in order)
