"""Queries of composed retrieval as vectors, and where their targets stand.

Dimensions: Q queries, K images, M texts, S slots, E embedding width.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.retrieval.matching import Matches, match_rows
from concord.benchmarks.retrieval.places import Places
from concord.benchmarks.texts import Vocabulary
from concord.errors import DataError
from concord.items import ComposedQuery

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """A query whose images can be read, by their rows among the readable ones; `gallery` is empty for all of them."""

    query: ComposedQuery
    reference: int
    targets: tuple[int, ...]
    gallery: tuple[int, ...]
    group: tuple[int, ...]


def answerable(name: str, examples: Examples, queries: Sequence[ComposedQuery]) -> list[Question]:
    """The queries whose reference and (first) target can be read; the others are left out, with a warning.

    Raises:
        DataError: where none is left.
    """
    row_of = {index: row for row, index in enumerate(examples.indices)}
    known: dict[tuple[int, ...], tuple[int, ...]] = {}

    def rows(places: tuple[int, ...]) -> tuple[int, ...]:
        if places not in known:  # thousands of queries share a gallery of thousands
            known[places] = tuple(row_of[place] for place in places if place in row_of)
        return known[places]

    found = [
        Question(query, row_of[query.reference], rows(query.targets), rows(query.gallery), rows(query.group))
        for query in queries
        if query.reference in row_of and query.targets[0] in row_of
    ]
    if not found:
        raise DataError(f"{name}: of none of {len(queries)} queries can both images be read")
    if len(found) < len(queries):
        log.warning("%s: %d of %d queries are left out, since an image cannot be read", name, len(queries) - len(found), len(queries))
    return found


@dataclass(frozen=True)
class Compositions:
    """Unit vectors to compare.

    Attributes:
        images: [K, E].
        queries: by way to compose, [Q, E].
    """

    images: Tensor
    queries: dict[str, Tensor]


def compose(evaluation: Evaluation, examples: Examples, questions: Sequence[Question]) -> Compositions:
    """The image alone, the text alone, and the sum of the two."""
    words = Vocabulary()
    places = [words.add_all(question.query.texts) for question in questions]
    embedded = _unit(evaluation.texts(words.texts).vectors)
    images = _unit(examples.images.vectors)
    texts = _unit(torch.stack([embedded[own].mean(dim=0) for own in places]))
    references = images[[question.reference for question in questions]]
    return Compositions(images, {"image": references, "text": texts, "sum": _unit(references + texts)})


Targets = Sequence[tuple[int, ...]]


def in_gallery(evaluation: Evaluation, found: Compositions, way: str, questions: Sequence[Question], targets: Targets) -> Places:
    """Where the targets of each query stand in its gallery."""
    everything = tuple(range(len(found.images)))
    by_gallery: dict[tuple[int, ...], list[int]] = {}
    for place, question in enumerate(questions):
        by_gallery.setdefault(question.gallery or everything, []).append(place)
    # Galleries that only one query has are small, and many: they are searched all at once.
    alone = [own[0] for own in by_gallery.values() if len(own) == 1]
    order, parts = list(alone), []
    if alone:
        pools = [questions[place].gallery or everything for place in alone]
        parts.append(_in_own(evaluation, found.images, found.queries[way][alone], pools, _matches(questions, targets, alone, pools)))
    for gallery, own in by_gallery.items():
        if len(own) > 1:
            order += own
            matches = _matches(questions, targets, own, [gallery] * len(own))
            parts.append(_in_shared(evaluation, found.images, found.queries[way][own], gallery, matches))
    return Places.cat(parts).take(torch.tensor(order).argsort().numpy())


def in_group(evaluation: Evaluation, found: Compositions, way: str, questions: Sequence[Question]) -> Places:
    """Where the targets of each query stand in its group."""
    pools = [question.group for question in questions]
    matches = _matches(questions, [question.targets for question in questions], range(len(questions)), pools)
    return _in_own(evaluation, found.images, found.queries[way], pools, matches)


def _matches(questions: Sequence[Question], targets: Targets, chosen: Sequence[int], pools: Sequence[tuple[int, ...]]) -> Matches:
    """What is right, of chosen queries and the slots of their pools; references and slots behind the end of a pool are hidden.

    Raises:
        DataError: where no target is in the pool.
    """
    slots = {pool: {row: slot for slot, row in enumerate(pool)} for pool in set(pools)}
    width = max(map(len, pools))
    right, hidden = [], []
    for row, (place, pool) in enumerate(zip(chosen, pools, strict=True)):
        question, slot_of = questions[place], slots[pool]
        own = sorted({slot_of[target] for target in targets[place] if target in slot_of})
        if not own:
            raise DataError(f"query {question.query.key}: its target is not among the images that are searched")
        right += [(row, slot) for slot in own]
        if not question.query.keep_reference and question.reference in slot_of:
            hidden.append((row, slot_of[question.reference]))
        hidden += [(row, slot) for slot in range(len(pool), width)]
    return Matches(torch.tensor(right), len(pools), width, torch.tensor(hidden) if hidden else None)


def _in_shared(evaluation: Evaluation, images: Tensor, queries: Tensor, gallery: tuple[int, ...], matches: Matches) -> Places:
    """Queries [Q, E] in a gallery that they share."""
    rows = torch.tensor(gallery)
    return match_rows(lambda query, slot: queries[query] @ images[rows[slot]].T, matches, evaluation.ranks)


def _in_own(evaluation: Evaluation, images: Tensor, queries: Tensor, pools: Sequence[tuple[int, ...]], matches: Matches) -> Places:
    """Queries [Q, E], each in a pool of its own."""
    rows = torch.nn.utils.rnn.pad_sequence([torch.tensor(pool) for pool in pools], batch_first=True)

    def score(query: Tensor, slot: Tensor) -> Tensor:
        return torch.stack([images[rows[one, slot]] @ queries[one] for one in query.tolist()])

    return match_rows(score, matches, evaluation.ranks)


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float(), dim=1)
