"""What the measured model itself prefers before it looks: texts that fit any image, images that fit any text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from concord.benchmarks.compositional.forms import Rows, Scores, Verdict, judge
from concord.benchmarks.compositional.questions import Questions
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.protocol import Scorer
from concord.types import Embeddings

PART = 1024
"""Texts, or images, that are compared with the bank at a time."""


class Prior:
    """Answers by the mean score of a candidate with a random few images, or texts, of the test that the question is not about.

    Args:
        questions: the test.
        texts: its embedded texts.
        scorer: the measured model.
        bank: how many images, or texts.
    """

    def __init__(self, evaluation: Evaluation, questions: Questions, texts: Embeddings, scorer: Scorer, bank: int) -> None:
        self.evaluation = evaluation
        self.questions = questions
        self.texts = texts
        self.scorer = scorer
        self.bank = bank

    def answers(self, scores: Sequence[Scores]) -> dict[str, list[list[Verdict] | None]]:
        """The outcomes of the questions, by prior; `scores` are those of the questions."""
        forms = {item.form for item in self.questions.items}
        found = {}
        if forms & {"texts", "match"}:
            found["text_prior"] = self._by_texts(scores)
        if forms - {"texts"}:
            found["image_prior"] = self._by_images(scores)
        return found

    def _by_texts(self, scores: Sequence[Scores]) -> list[list[Verdict] | None]:
        images = self.questions.examples.images
        drawn = self._drawn(len(images), "image")
        some = images[torch.tensor(drawn)]
        totals = self._totals(len(self.texts), lambda part: self.scorer.score(some, self.texts[part]).double().sum(dim=0))
        found: list[list[Verdict] | None] = []
        for item, rows, columns, own in zip(self.questions.items, self.questions.rows, self.questions.columns, scores, strict=True):
            left = None if item.form in ("images", "set") else _without_own([totals[c] for c in columns], own.by_image, rows, drawn)
            found.append(None if left is None else judge(item, Scores([left] * len(rows), [left] * len(rows))))
        return found

    def _by_images(self, scores: Sequence[Scores]) -> list[list[Verdict] | None]:
        images = self.questions.examples.images
        drawn = self._drawn(len(self.texts), "text")
        some = self.texts[torch.tensor(drawn)]
        totals = self._totals(len(images), lambda part: self.scorer.score(images[part], some, query="text").double().sum(dim=1))
        found: list[list[Verdict] | None] = []
        for item, rows, columns, own in zip(self.questions.items, self.questions.rows, self.questions.columns, scores, strict=True):
            by_text = list(zip(*own.by_text, strict=True))  # [T][I]
            left = None if item.form == "texts" else _without_own([totals[r] for r in rows], by_text, columns, drawn)
            found.append(None if left is None else judge(item, _of_images(left, len(columns))))
        return found

    def _drawn(self, count: int, side: str) -> list[int]:
        rng = self.evaluation.generator("blind", self.questions.name, side)
        return sorted(rng.permutation(count)[: self.bank].tolist())

    def _totals(self, count: int, total: Callable[[slice], Tensor]) -> list[float]:
        parts = [slice(start, start + PART) for start in range(0, count, PART)]
        return torch.cat([part.cpu() for part in self.evaluation.ranks.spread(parts, total)]).tolist()


def _without_own(totals: Sequence[float], own: Rows, places: Sequence[int], drawn: Sequence[int]) -> list[float] | None:
    """The candidates' mean scores with the bank, less what it shares with the question; None where nothing else is left.

    Args:
        totals: by candidate, the sum of its scores with the bank.
        own: of the question, by what it is about and by candidate.
        places: of what it is about.
        drawn: the bank.
    """
    shared = [scores for place, scores in dict(zip(places, own, strict=True)).items() if place in drawn]
    left = len(drawn) - len(shared)
    return [(total - sum(scores[number] for scores in shared)) / left for number, total in enumerate(totals)] if left else None


def _of_images(values: Sequence[float], texts: int) -> Scores:
    rows = [[value] * texts for value in values]
    return Scores(rows, rows)
