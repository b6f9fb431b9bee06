"""Retrieval among images: finding others of the same kind.

Dimensions: N images, E embedding width, G groups.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from concord.benchmarks.evaluation import Evaluation, Examples
from concord.benchmarks.protocol import Reader
from concord.benchmarks.records import Results
from concord.benchmarks.retrieval.matching import Matches, match_rows
from concord.benchmarks.retrieval.measures import all_places, first_places, recalls, report
from concord.benchmarks.task import Asked, Task
from concord.errors import DataError
from concord.types import Paper


class ImageRetrieval(Task):
    """Recall, median rank, mean reciprocal rank, mAP@R and R-precision of images that search one another (Song et al. 2016).

    Every image that is not alone in its group is a query; all other images are candidates. Compared are the directions of the
    image vectors, whatever the model does with texts: no loss between images and texts trains this similarity. Ties count as
    misses.

    Records: `image_retrieval/DATASET/{r1,...,median_rank,mrr,map_r,r_precision}`. Intervals draw queries (or units).

    Args:
        reader: images whose metadata name their group.
        by: that key of the metadata, such as "label" or "product".
        recalls: cuts of recall.
        limit, unit: see `Task`.
    """

    kind = "image_retrieval"
    reader: Reader
    paper: ClassVar[Paper] = Paper(
        "Deep Metric Learning via Lifted Structured Feature Embedding", "Song et al.", 2016, "https://arxiv.org/abs/1511.06452"
    )

    def __init__(
        self, reader: Reader, by: str = "label", recalls: list[int] | None = None, limit: int | None = None, unit: str | None = None
    ) -> None:
        super().__init__(reader, limit, unit)
        self.by = by
        self.recalls = [1, 5, 10] if recalls is None else list(recalls)
        if min(self.recalls, default=0) < 1:
            raise ValueError(f"recalls must hold numbers of at least 1, got {self.recalls}")

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "by": self.by, "recalls": self.recalls}

    def run(self, evaluation: Evaluation) -> Results:
        examples = evaluation.examples(self.reader, self.limit)
        vectors = F.normalize(examples.images.vectors.float(), dim=1)
        members = self._members(examples)
        queries = sorted(row for rows in members for row in rows if len(rows) > 1)
        if not queries:
            raise DataError(f"{self.reader.name}: no two images share their {self.by}")
        chosen = torch.tensor(queries)

        def score(query: Tensor, image: Tensor) -> Tensor:
            return vectors[chosen[query]] @ vectors[image].T

        places = match_rows(score, _matches(queries, members, len(examples)), evaluation.ranks)
        pairs = [examples.pairs[row] for row in queries]
        asked = Asked([pair.key for pair in pairs], self.units(pairs), examples.checksum)
        measures = [*recalls(places, self.recalls), *first_places(places), *all_places(places)]
        return report(self, evaluation, measures, asked, "")

    def _members(self, examples: Examples) -> list[list[int]]:
        """The images of each group."""
        found: dict[Hashable, list[int]] = {}
        for row, pair in enumerate(examples.pairs):
            if self.by not in pair.metadata:
                raise DataError(f"{self.reader.name}, example {pair.key}: its metadata lacks {self.by}; set by to another key")
            found.setdefault(pair.metadata[self.by], []).append(row)
        return list(found.values())


def _matches(queries: list[int], members: list[list[int]], images: int) -> Matches:
    """Each query fits the others of its group; it is not compared with itself."""
    group_of = {row: torch.tensor(rows) for rows in members for row in rows}
    pairs = [torch.cartesian_prod(torch.tensor([query]), group_of[row][group_of[row] != row]) for query, row in enumerate(queries)]
    hidden = torch.tensor(list(enumerate(queries)))
    return Matches(torch.cat(pairs), len(queries), images, hidden)
