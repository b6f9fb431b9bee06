"""Compositional questions to look at, half of them answered wrong."""

from __future__ import annotations

from collections.abc import Sequence

from concord.benchmarks.compositional.forms import Scores, judge
from concord.benchmarks.compositional.questions import Questions
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.gallery import Candidate, GalleryItem, mixed


def gallery(evaluation: Evaluation, questions: Questions, scores: Sequence[Scores]) -> list[GalleryItem]:
    """Some questions with all their answers, best first; as many wrong as right where there are enough of both."""
    right = [judge(item, own)[-1].strict == 1 for item, own in zip(questions.items, scores, strict=True)]
    order = evaluation.generator("gallery", questions.name).permutation(len(right)).tolist()
    return [shown for place in mixed(order, right, evaluation.gallery) for shown in _items(questions, scores[place], place)]


def _items(questions: Questions, scores: Scores, place: int) -> list[GalleryItem]:
    item = questions.items[place]
    if item.form == "texts":
        return [_of_image(questions, scores, place, 0, set(range(item.right)))]
    if item.form == "match":
        return [_of_image(questions, scores, place, image, {image}) for image in range(len(item.images))]
    return [_of_text(questions, scores, place)]


def _of_image(questions: Questions, scores: Scores, place: int, image: int, right: set[int]) -> GalleryItem:
    texts = questions.items[place].texts
    answers = [Candidate(text, None, scores.by_image[image][number], number in right) for number, text in enumerate(texts)]
    picture = questions.examples.picture(questions.rows[place][image])
    return GalleryItem(
        "compositional", _name(questions, place), picture, None, [texts[number] for number in sorted(right)], _ranked(answers)
    )


def _of_text(questions: Questions, scores: Scores, place: int) -> GalleryItem:
    item, rows = questions.items[place], questions.rows[place]
    keys = [questions.examples.pairs[row].key for row in rows]
    answers = [
        Candidate(keys[number], questions.examples.picture(row), scores.by_text[number][0], number < item.right)
        for number, row in enumerate(rows)
    ]
    return GalleryItem("compositional", _name(questions, place), None, item.texts[0], keys[: item.right], _ranked(answers))


def _name(questions: Questions, place: int) -> str:
    return "/".join(part for part in (questions.name, questions.items[place].subset) if part)


def _ranked(answers: list[Candidate]) -> list[Candidate]:
    """Best first; wrong ones before right ones with the same score."""
    return sorted(answers, key=lambda answer: (-answer.score, answer.correct))
