"""Questions about a picture with their answers, as texts of an exam."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from concord.data.benchmarks.rows import Row
from concord.data.medical.several import of_kind

logger = logging.getLogger(__name__)

QUESTION, ANSWER = "question", "answer"

_ENDING = re.compile(r"\s*-\s*(?:yes/no|open)\s*$", re.IGNORECASE)
"""How some questions of VQA-RAD tell what kind of answer they want."""

_YES = {"yes": True, "no": False}


@dataclass(frozen=True)
class Answered:
    """A question and its answer, as `written_as` makes them."""

    question: str
    answer: str

    @property
    def affirmed(self) -> bool | None:
        """True for yes, False for no, None for any other answer."""
        return _YES.get(self.answer.lower().rstrip("."))


def written_as(question: Any, answer: Any) -> Answered | None:
    """A question without what is no part of it ("-yes/no", doubled marks, spaces), and its answer, whose numbers are texts from
    here on; None where one of them is missing."""
    asked, said = _text(question), _text(answer)
    asked = _ENDING.sub("", asked).rstrip("?. ")
    return Answered(f"{asked}?", said) if asked and said else None


Asked = tuple[Row, Answered]
"""A record of a question, and what it asks and answers."""


def by_picture(name: str, rows: Iterable[tuple[str, Row]]) -> dict[str, list[Asked]]:
    """What was asked about each picture, in the order of the records. Those without a question or an answer are left out, with a
    warning that counts them.

    Args:
        name: of the data set.
        rows: records with the pictures that they are about.

    Raises:
        DataError: for a record that lacks the key of either.
    """
    found: dict[str, list[Asked]] = {}
    empty = 0
    for picture, row in rows:
        pair = written_as(*(_cell(row, key) for key in (QUESTION, ANSWER)))
        if pair is None:
            empty += 1
        else:
            found.setdefault(picture, []).append((row, pair))
    if empty:
        logger.warning("%s: %d records are left out, as they lack a question or an answer", name, empty)
    return found


def as_texts(pairs: Iterable[Answered]) -> dict[str, str]:
    """The texts of an exam: "question", "answer", "question 2", "answer 2", ..."""
    found: dict[str, str] = {}
    for number, pair in enumerate(pairs, start=1):
        ending = "" if number == 1 else f" {number}"
        found |= {QUESTION + ending: pair.question, ANSWER + ending: pair.answer}
    return found


def answered(texts: Mapping[str, str]) -> list[Answered]:
    """What `as_texts` was made of."""
    return [Answered(*pair) for pair in zip(of_kind(texts, QUESTION), of_kind(texts, ANSWER), strict=True)]


def _text(value: Any) -> str:
    plain = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return " ".join(plain.split())


def _cell(row: Row, key: str) -> Any:
    """What stands there, an empty text too; a record without the key is refused in the words of `Row`."""
    return row.cells[key] if key in row.cells else row.text(key)
