"""Compositional tests: the right caption against nearly the same words that say something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation, Examples, log
from concord.benchmarks.protocol import Reader, Scorer
from concord.benchmarks.ranking import label_ranks
from concord.benchmarks.records import Results, merge
from concord.benchmarks.task import Asked, Task
from concord.benchmarks.texts import Vocabulary, normalized
from concord.errors import DataError
from concord.types import Pair, Paper

BLOCK = 16
"""Questions that are scored at one time, all their captions against all their images. More save calls; but the share of
scores that no question asks for grows with it, and a likelihood is dear."""


@dataclass(frozen=True)
class Item:
    """One question: an image, its caption, and the wrong captions of one kind."""

    row: int
    kind: str
    right: str
    wrong: list[str]


class Compositional(Task):
    """Accuracy by kind of wrong caption, one image and its first caption at a time (the form of SugarCrepe, Hsieh et al. 2023).

    The right caption must score strictly above every wrong one, so that a model which says the same of all captions scores 0.
    A wrong caption with the very words of the right one is no question and is left out.

    Records: `compositional/DATASET/KIND/accuracy`, and `compositional/DATASET/likelihood/KIND/accuracy` where the model
    can also be scored by its caption likelihood. Chance is the mean of 1 / (1 + number of wrong captions).

    Args:
        reader: pairs with `negatives` in their metadata, a mapping from kind to wrong captions.
        limit, unit: see `Task`.
    """

    kind = "compositional"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "SugarCrepe: Fixing Hackable Benchmarks for Vision-Language Compositionality",
        "Hsieh et al.",
        2023,
        "https://arxiv.org/abs/2306.14610",
    )

    def run(self, evaluation: Evaluation) -> Results:
        found = [self._measure(evaluation, evaluation.scorer, "")]
        found += [self._measure(evaluation, scorer, f"{name}/") for name, scorer in evaluation.others.items()]
        return merge(found)

    def _measure(self, evaluation: Evaluation, scorer: Scorer, prefix: str) -> Results:
        examples = evaluation.examples(self.reader, self.limit, scorer)
        items = self._items(examples)
        correct = np.array(_answers(scorer, examples, items), dtype=np.float64)
        units = self.units(examples.pairs)
        asked = Asked([examples.pairs[item.row].key for item in items], units[[item.row for item in items]], examples.checksum)
        found = []
        for kind in dict.fromkeys(item.kind for item in items):
            places = [place for place, item in enumerate(items) if item.kind == kind]
            chance = float(np.mean([1 / (1 + len(items[place].wrong)) for place in places]))
            found.append(self.share(evaluation, "accuracy", correct[places], chance, asked.take(places), prefix + kind))
        return merge(found)

    def _items(self, examples: Examples) -> list[Item]:
        found = [item for row, pair in enumerate(examples.pairs) for item in _items_of(row, pair)]
        items = [item for item in found if item.wrong]
        if not items:
            raise DataError(f"{self.reader.name}: no example has a caption and wrong captions (metadata negatives)")
        if len(items) < len(found):
            dropped = len(found) - len(items)
            log.warning("%s: %d wrong captions are, word for word, the right one, and are left out", self.reader.name, dropped)
        return items


def _items_of(row: int, pair: Pair) -> list[Item]:
    if not pair.captions:
        return []
    right = pair.captions[0]
    return [
        Item(row, kind, right, [text for text in wrong if normalized(text) != normalized(right)])
        for kind, wrong in pair.metadata.get("negatives", {}).items()
        if wrong
    ]


def _answers(scorer: Scorer, examples: Examples, items: list[Item]) -> list[bool]:
    """Whether each item's right caption beats all its wrong ones."""
    texts = Vocabulary()
    places = [texts.add_all([item.right, *item.wrong]) for item in items]
    embedded = scorer.embed_texts(texts.texts)
    answers = []
    for start in range(0, len(items), BLOCK):
        block = slice(start, start + BLOCK)
        rows, row_of = np.unique([item.row for item in items[block]], return_inverse=True)
        columns, column_of = np.unique(np.concatenate(places[block]), return_inverse=True)
        scores = scorer.score(examples.images[torch.from_numpy(rows)], embedded[torch.from_numpy(columns)]).cpu()
        own = np.split(column_of, np.cumsum([len(place) for place in places[block]])[:-1])
        answers += [_wins(scores[row, torch.from_numpy(column)]) for row, column in zip(row_of.tolist(), own, strict=True)]
    return answers


def _wins(scores: Tensor) -> bool:
    """Whether the first of the scores [1 + k] beats the others."""
    return int(label_ranks(scores[None], torch.tensor([0]))) == 1
