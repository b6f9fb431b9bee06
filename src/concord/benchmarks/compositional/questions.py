"""The questions of a compositional test, and their scores: each image and each text is embedded once, and little is compared
that no question asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray

from concord.benchmarks.compositional.forms import Scores
from concord.benchmarks.evaluation import Evaluation, Examples, log
from concord.benchmarks.protocol import Scorer, Truncating
from concord.benchmarks.texts import normalized
from concord.errors import DataError
from concord.items import Images, Item, ItemSet
from concord.perturbations.lexicon import WORD
from concord.types import Embeddings, Pair

WASTE = 8
"""How many times more pairs a tile may compare than its questions ask for. Large tiles save calls; but a likelihood is dear."""

JOB = 256
"""Questions that are scored by one process at a time."""


@dataclass(frozen=True)
class Picked:
    """Some images of a test."""

    source: Images
    indices: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.source.name

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Pair:
        return self.source[self.indices[index]]


@dataclass(frozen=True)
class Questions:
    """Questions whose images could all be read.

    Attributes:
        name: of the test.
        items: [n] the questions.
        examples: the images that they are about.
        rows: [n] by question, the places of its images among the examples.
        texts: the distinct texts.
        columns: [n] by question, the places of its texts among them.
        checksum: of the images and the questions.
    """

    name: str
    items: list[Item]
    examples: Examples
    rows: list[list[int]]
    texts: list[str]
    columns: list[list[int]]
    checksum: str

    def __len__(self) -> int:
        return len(self.items)

    def by_subset(self) -> dict[str, list[int]]:
        """The places of the questions of each subset.

        Raises:
            DataError: for a subset with questions of several forms.
        """
        found: dict[str, list[int]] = {}
        for place, item in enumerate(self.items):
            found.setdefault(item.subset, []).append(place)
        for subset, places in found.items():
            forms = sorted({self.items[place].form for place in places})
            if len(forms) > 1:
                mixed = f"subset {subset!r} mixes questions of the forms {', '.join(forms)}"
                raise DataError(f"{self.name}: {mixed}; give each a subset of its own")
        return found


def ask(evaluation: Evaluation, reader: ItemSet, items: Sequence[Item], scorer: Scorer) -> Questions:
    """Read and embed the images of some questions; those about an image that cannot be read are left out, with a warning.

    Raises:
        DataError: where none is left.
    """
    used = sorted({place for item in items for place in item.images})
    images = reader.images if len(used) == len(reader.images) else Picked(reader.images, tuple(used))
    examples = evaluation.examples(images, None, scorer)
    row_of = {used[index]: row for row, index in enumerate(examples.indices)}
    kept = [item for item in items if all(place in row_of for place in item.images)]
    if not kept:
        raise DataError(f"{reader.name}: no question has all its images")
    if len(kept) < len(items):
        log.warning("%s: %d questions about images that cannot be read are left out", reader.name, len(items) - len(kept))
    place_of: dict[str, int] = {}
    columns = [[place_of.setdefault(text, len(place_of)) for text in item.texts] for item in kept]
    hashed = blake2b(examples.checksum.encode(), digest_size=8)
    for item in kept:
        hashed.update(repr(item).encode("utf-8", "backslashreplace"))
    rows = [[row_of[place] for place in item.images] for item in kept]
    return Questions(reader.name, kept, examples, rows, list(place_of), columns, hashed.hexdigest())


def answerable(name: str, items: Sequence[Item]) -> list[Item]:
    """The questions without wrong texts that are, word for word, a right one; nobody could tell these apart.

    Raises:
        DataError: where no question is left.
    """
    found = [item if item.form in ("images", "set") else _without_copies(item) for item in items]
    kept = [item for item in found if item is not None]
    if not kept:
        raise DataError(f"{name}: there is no question with a right and a wrong answer")
    copies = sum(item is None or len(item.texts) < len(old.texts) for old, item in zip(items, found, strict=True))
    if copies:
        lost = len(items) - len(kept)
        log.warning("%s: %d questions have wrong texts that are, word for word, right; %d of them are left out", name, copies, lost)
    return kept


def _without_copies(item: Item) -> Item | None:
    words = [normalized(text) for text in item.texts]
    if item.form == "match":
        return item if len(set(words)) == len(words) else None
    kept = [text for text, own in zip(item.texts[item.right :], words[item.right :], strict=True) if own not in words[: item.right]]
    if len(kept) == len(item.texts) - item.right:
        return item
    return replace(item, texts=(*item.texts[: item.right], *kept)) if kept else None


def same_words(item: Item) -> bool:
    """Whether all texts of a question have the same words, each as often, so that only their order tells them apart."""
    return len({tuple(sorted(WORD.findall(normalized(text)))) for text in item.texts}) == 1 < len(item.texts)


def truncated(scorer: Scorer, questions: Questions) -> list[bool]:
    """Whether each question has a text that the model cannot read to its end; nothing where the model cannot tell."""
    if not isinstance(scorer, Truncating):
        return []
    cut = scorer.truncated(questions.texts)
    return [any(cut[place] for place in places) for places in questions.columns]


def score(evaluation: Evaluation, scorer: Scorer, questions: Questions, embedded: Embeddings) -> list[Scores]:
    """How well the (embedded) texts of each question fit its images; shared out to the processes."""
    images = questions.examples.images
    order = sorted(range(len(questions)), key=lambda place: questions.rows[place])
    jobs = [order[start : start + JOB] for start in range(0, len(order), JOB)]

    def work(job: list[int]) -> list[Scores]:
        return [found for block in _blocks(questions, job) for found in score_block(block)]

    def score_block(block: list[int]) -> list[Scores]:
        rows, row_of = _distinct([questions.rows[place] for place in block])
        columns, column_of = _distinct([questions.columns[place] for place in block])
        forms = {questions.items[place].form for place in block}
        some_images, some_texts = images[torch.from_numpy(rows)], embedded[torch.from_numpy(columns)]
        by_image = scorer.score(some_images, some_texts).double().cpu().numpy() if forms & {"texts", "match"} else None
        by_text = scorer.score(some_images, some_texts, query="text").double().cpu().numpy() if forms - {"texts"} else None
        return [
            Scores(*([] if scores is None else scores[own[:, None], texts].tolist() for scores in (by_image, by_text)))
            for own, texts in zip(row_of, column_of, strict=True)
        ]

    answers = [found for part in evaluation.ranks.spread(jobs, work) for found in part]
    return [found for _, found in sorted(zip(order, answers, strict=True), key=lambda pair: pair[0])]


def _blocks(questions: Questions, places: Sequence[int]) -> Iterator[list[int]]:
    """Neighbouring questions whose images and texts, all compared with all, are not many more pairs than they ask for."""
    block: list[int] = []
    rows: set[int] = set()
    columns: set[int] = set()
    asked = 0
    for place in places:
        new_rows, new_columns = rows | set(questions.rows[place]), columns | set(questions.columns[place])
        own = len(questions.rows[place]) * len(questions.columns[place])
        if block and len(new_rows) * len(new_columns) > WASTE * (asked + own):
            yield block
            block, asked = [], 0
            new_rows, new_columns = set(questions.rows[place]), set(questions.columns[place])
        block.append(place)
        rows, columns, asked = new_rows, new_columns, asked + own
    yield block


def _distinct(places: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The distinct ones among all places, and where the places of each question are among them."""
    distinct, inverse = np.unique(np.concatenate([np.asarray(own, dtype=np.int64) for own in places]), return_inverse=True)
    return distinct, np.split(inverse, np.cumsum([len(own) for own in places])[:-1])
