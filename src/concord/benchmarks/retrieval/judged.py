"""Retrieval by people's judgement of what fits, in place of the pairs of a data set.

Dimensions: n judged queries, K candidates, P judged pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation
from concord.benchmarks.retrieval.both_ways import IMAGE_TO_TEXT, TEXT_TO_IMAGE, Search
from concord.benchmarks.retrieval.matching import Matches, Score, match_rows
from concord.benchmarks.retrieval.measures import Measure, all_places, recalls
from concord.benchmarks.retrieval.places import Places
from concord.errors import DataError
from concord.relevance import CAPTION_IDS, Grades, Relevance


@dataclass(frozen=True)
class Judged:
    """One direction of a judged search.

    Attributes:
        queries: [n] places of the queries, among the images or the captions.
        places: where their right candidates stand.
        graded: where all candidates with a grade stand; None where there is only right and wrong.
    """

    queries: list[int]
    places: Places
    graded: Places | None

    def measures(self, cuts: Sequence[int]) -> list[Measure]:
        """Recalls, mAP@R, R-precision, and the gain of graded judgements."""
        found = [*recalls(self.places, cuts), *all_places(self.places)]
        if self.graded is not None:
            found.append(Measure("ndcg", self.graded.ndcg(), self.graded.ndcg_by_chance(), ties=self.graded.ties))
        return found


def judge(evaluation: Evaluation, search: Search, relevance: Relevance, name: str, first: int | None) -> dict[str, Judged]:
    """Search once more, with judgements; by direction. Judged queries without a right candidate in the pool are left out.

    Args:
        evaluation: the model and the processes.
        search: images and captions as they are.
        relevance: the judgements.
        name: of the judgements, for messages.
        first: how many captions of each image are in the pool; None for all.

    Raises:
        DataError: where captions have no ids, or no judged query is among the images or captions.
    """
    pool, images, texts, scorer = search.pool, search.examples.images, search.texts, evaluation.scorer
    keys = [pair.key for pair in search.examples.pairs]
    ids = _caption_ids(search, first)
    text_of = dict(zip(ids, pool.text_of.tolist(), strict=True))
    image_of = {key: row for row, key in enumerate(keys)}

    def by_image(row: Tensor, text: Tensor) -> Tensor:
        return scorer.score(images[row], texts[text])

    def by_caption(caption: Tensor, image: Tensor) -> Tensor:
        return scorer.score(images[image], texts[pool.text_of[caption]], query="text").T

    one_each = torch.ones(pool.images, dtype=torch.int64)
    sides = {
        IMAGE_TO_TEXT: (by_image, keys, relevance.captions_of, text_of, pool.copies),
        TEXT_TO_IMAGE: (by_caption, ids, relevance.images_of, image_of, one_each),
    }
    found = {}
    for direction, (score, names, grades, place_of, copies) in sides.items():
        if grades:
            found[direction] = _search(evaluation, score, _judgements(names, grades, place_of, name), copies, relevance)
    return found


def _caption_ids(search: Search, first: int | None) -> list[str]:
    """By caption of the pool, its name in the judgements."""
    found: list[str] = []
    for pair in search.examples.pairs:
        ids = pair.metadata.get(CAPTION_IDS)
        if ids is None or len(ids) != len(pair.captions):
            raise DataError(f"{search.examples.reader.name}, example {pair.key}: judgements need one of {CAPTION_IDS} for each caption")
        found += map(str, ids[:first])
    return found


Judgements = list[tuple[int, dict[int, float]]]
"""By judged query its place, and the grade of each candidate by place."""


def _judgements(names: Sequence[str], grades: Grades, place_of: Mapping[str, int], name: str) -> Judgements:
    found: Judgements = []
    for query, key in enumerate(names):
        fits: dict[int, float] = {}
        for candidate, grade in grades.get(key, {}).items():
            place = place_of.get(candidate)
            if place is not None:  # captions with the same words are one text, of the best grade
                fits[place] = max(grade, fits.get(place, 0.0))
        found.append((query, fits))
    if not any(fits for _, fits in found):
        raise DataError(f"{name}: none of its queries, such as {next(iter(grades))}, is in the data set, where they are like {names[0]}")
    return found


def _search(evaluation: Evaluation, score: Score, judgements: Judgements, copies: Tensor, relevance: Relevance) -> Judged:
    kept = [(query, fits) for query, fits in judgements if any(grade >= relevance.right_from for grade in fits.values())]
    if not kept:
        raise DataError(f"no judged query has a candidate of grade {relevance.right_from} or better in the data set")
    queries = torch.tensor([query for query, _ in kept])
    rows = [(row, place, grade) for row, (_, fits) in enumerate(kept) for place, grade in sorted(fits.items())]
    pairs = torch.tensor([(row, place) for row, place, _ in rows])
    grades = torch.tensor([grade for *_, grade in rows], dtype=torch.float64)

    def places(chosen: Tensor, weights: Tensor | None) -> Places:
        matches = Matches(pairs[chosen], len(queries), len(copies), column_copies=copies, grades=weights)
        return match_rows(lambda row, candidate: score(queries[row], candidate), matches, evaluation.ranks)

    right = places(grades >= relevance.right_from, None)
    graded = places(grades > 0, grades) if relevance.graded else None
    return Judged(queries.tolist(), right, graded)
