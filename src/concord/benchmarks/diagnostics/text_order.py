"""Whether a text tower minds the order of words, and how much of a text it takes in.

Dimensions: N captions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, ClassVar, Literal

import numpy as np
import torch.nn.functional as F

from concord.benchmarks import figures
from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.probes.seen import digest
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Record, Results
from concord.benchmarks.statistics import Floats, bootstrap, mean_of, percentile_interval
from concord.benchmarks.task import Asked, Task
from concord.errors import DataError
from concord.perturbations import changed, shuffle_within_trigrams, shuffle_words, swap_words, tokens_of
from concord.types import Pair, Paper

Change = Literal["words", "within_trigrams", "swap"]

CHANGES: Mapping[Change, Callable[[str, Random], str | None]] = {
    "words": lambda text, rng: changed(shuffle_words, text, rng),
    "within_trigrams": lambda text, rng: changed(shuffle_within_trigrams, text, rng),
    "swap": swap_words,
}


class TextOrder(Task):
    """Cosine of the embedding of a caption with that of the same words in another order.

    A bag of words gives exactly 1. Beside it stands the cosine with the caption of another example: what is near to 1 only says
    something where that is not. For other similarities than cosines it looks at the directions of the vectors. Pictures are not
    read.

    Records, `text_order/DATASET/`:
        {words,within_trigrams,swap}/cosine: all words shuffled; shuffled within each three; two words of one kind, or two noun
            phrases, in each other's place. Captions that cannot be changed so do not count.
        {words,within_trigrams,swap}/above_random: the same minus the cosine with another example's caption; 0 where the order
            matters as much as all the words do.
        random/cosine: with the caption of another example.
        first_K_words/cosine: of captions longer than K words with their first K words; how much of a text counts.

    Args:
        reader: pairs with captions, of which the first counts.
        changes: what is done.
        lengths: numbers of words that are kept.
        limit, unit: see `Task`.
    """

    kind = "text_order"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "When and Why Vision-Language Models Behave like Bags-of-Words, and What to Do About It?",
        "Yuksekgonul et al.",
        2023,
        "https://arxiv.org/abs/2210.01936",
    )

    def __init__(
        self,
        reader: Reader,
        changes: tuple[Change, ...] = ("words", "within_trigrams", "swap"),
        lengths: tuple[int, ...] = (4, 8, 16, 32),
        limit: int | None = 2000,
        unit: str | None = None,
    ) -> None:
        super().__init__(reader, limit, unit)
        if any(length < 1 for length in lengths):
            raise ValueError(f"lengths must be numbers of at least 1, got {list(lengths)}")
        self.changes: tuple[Change, ...] = tuple(changes)
        self.lengths = tuple(sorted(set(lengths)))

    def run(self, evaluation: Evaluation) -> Results:
        pairs = self._pairs(evaluation)
        captions = [" ".join(tokens_of(pair.captions[0])) for pair in pairs]
        asked = Asked([pair.key for pair in pairs], self.units(pairs), digest(*captions))
        other = evaluation.generator(self.kind, self.reader.name, "random").integers(1, len(pairs), len(pairs))
        random = [captions[(row + step) % len(captions)] for row, step in enumerate(other.tolist())]
        far = self._cosines(evaluation, captions, random)
        found = [self._mean(evaluation, "cosine", far, asked, "random")]
        for change in self.changes:
            made = [
                CHANGES[change](text, Random(f"{evaluation.seed}/{change}/{pair.key}")) for text, pair in zip(captions, pairs, strict=True)
            ]
            found += self._against(evaluation, captions, made, far, asked, change)
        lengths, curve = self._lengths(evaluation, captions, asked)
        return Results([*found, *lengths], figures=curve)

    def _pairs(self, evaluation: Evaluation) -> list[Pair]:
        """Examples with a caption that has words."""
        pairs = []
        for index in evaluation.subset(self.reader, self.limit):
            try:
                pair = _text_of(self.reader, index)
            except DataError:
                continue
            if pair.captions and tokens_of(pair.captions[0]):
                pairs.append(pair)
        if len(pairs) < 2:
            raise DataError(f"{self.reader.name}: the order of words needs at least 2 examples with a caption, got {len(pairs)}")
        return pairs

    def _against(
        self, evaluation: Evaluation, captions: Sequence[str], made: Sequence[str | None], far: Floats, asked: Asked, change: str
    ) -> list[Record]:
        """Captions against what was made of them, where something was."""
        rows = [row for row, text in enumerate(made) if text is not None]
        if not rows:
            return []
        near = self._cosines(evaluation, [captions[row] for row in rows], [text for text in made if text is not None])
        own = asked.take(rows)
        return [
            self._mean(evaluation, "cosine", near, own, change),
            self._mean(evaluation, "above_random", near - far[rows], own, change),
        ]

    def _lengths(self, evaluation: Evaluation, captions: Sequence[str], asked: Asked) -> tuple[list[Record], dict[str, dict[str, Any]]]:
        records = []
        for length in self.lengths:
            rows = [row for row, caption in enumerate(captions) if len(caption.split()) > length]
            if rows:
                cut = [" ".join(captions[row].split()[:length]) for row in rows]
                near = self._cosines(evaluation, [captions[row] for row in rows], cut)
                records.append((length, self._mean(evaluation, "cosine", near, asked.take(rows), f"first_{length}_words")))
        if not evaluation.gallery or len(records) < 2:
            return [record for _, record in records], {}
        title = f"{self.reader.name}: captions and their first words"
        line = {"cosine": [record.value for _, record in records]}
        drawn = figures.curve(title, [length for length, _ in records], line, "first words", "cosine with the whole caption", log=True)
        return [record for _, record in records], {f"{self.kind}/{self.reader.name}/lengths": drawn}

    def _cosines(self, evaluation: Evaluation, first: Sequence[str], second: Sequence[str]) -> Floats:
        """Of texts at the same places, [N]."""
        texts = list(dict.fromkeys([*first, *second]))
        place = {text: number for number, text in enumerate(texts)}
        vectors = F.normalize(evaluation.texts(texts).vectors.double(), dim=1)
        found: Floats = (vectors[[place[text] for text in first]] * vectors[[place[text] for text in second]]).sum(dim=1).numpy()
        return found

    def _mean(self, evaluation: Evaluation, metric: str, values: Floats, asked: Asked, subset: str) -> Record:
        interval = None
        if evaluation.bootstrap and np.isfinite(values).all():
            rng = evaluation.generator(self.kind, self.reader.name, subset, metric)
            units = np.unique(asked.units, return_inverse=True)[1]
            interval = percentile_interval(bootstrap(mean_of(values), len(values), evaluation.bootstrap, rng, units)[:, 0])
        return self.record(evaluation, metric, float(values.mean()), None, asked, interval, subset)


def _text_of(reader: Reader, index: int) -> Pair:
    """An example without its picture, which is not even read where the reader can do without."""
    key, captions, metadata = (getattr(reader, name, None) for name in ("key", "captions", "metadata"))
    if callable(key) and callable(captions) and callable(metadata):
        return Pair(b"", captions(index), key(index), reader.name, metadata(index))
    return replace(reader[index], image=b"")
