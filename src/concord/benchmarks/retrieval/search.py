"""The best candidates of each query: exact and tile by tile, or through an index of faiss.

Dimensions: Q queries, K candidates, k best ones, E embedding width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from concord.benchmarks.retrieval.matching import COLUMNS, ROWS, Score
from concord.distributed import Ranks
from concord.errors import MissingExtraError

Index = Literal["flat", "ivf"]


@dataclass(frozen=True)
class Found:
    """The k best candidates of each query, best first; of equal scores the earlier candidate stands first.

    Attributes:
        scores: [Q, k].
        places: [Q, k] int64; -1 where an index found fewer.
    """

    scores: Tensor
    places: Tensor


def top_k(score: Score, queries: int, candidates: int, k: int, ranks: Ranks | None = None) -> Found:
    """Exact search; no more than a tile of scores exists at a time. What is not a number stands last.

    Args:
        score: as in `matching`.
        queries, candidates: Q and K.
        k: how many to find; with fewer candidates, all.
        ranks: the processes that share the work and all call this.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")

    def band(start: int) -> Found:
        rows = torch.arange(start, min(start + ROWS, queries))
        best = Found(torch.empty(len(rows), 0), torch.empty(len(rows), 0, dtype=torch.int64))
        for left in range(0, candidates, COLUMNS):
            scores = score(rows, torch.arange(left, min(left + COLUMNS, candidates))).cpu().nan_to_num(-torch.inf, torch.inf, -torch.inf)
            own = _best_of(scores, k)
            places = torch.cat([best.places, own + left], dim=1)
            both = torch.cat([best.scores.to(scores.dtype), scores.gather(1, own)], dim=1)
            # The earlier tile stands first, and a stable order keeps it there.
            order = both.sort(dim=1, descending=True, stable=True).indices[:, :k]
            best = Found(both.gather(1, order), places.gather(1, order))
        return best

    bands = (Ranks() if ranks is None else ranks).spread(range(0, queries, ROWS), band)
    return Found(torch.cat([part.scores for part in bands]), torch.cat([part.places for part in bands]))


def _best_of(scores: Tensor, k: int) -> Tensor:
    """Places of the best in each row, [q, k]; of equal scores the earlier ones are taken, and stand first."""
    values, places = scores.topk(min(k, scores.shape[1]), dim=1)
    # `topk` takes any of equal scores: where some of those that equal the last one taken were left out, rows are sorted instead.
    last = values[:, -1:]
    unsure = ((scores == last).sum(dim=1) > (values == last).sum(dim=1)).nonzero()[:, 0]
    places[unsure] = scores[unsure].sort(dim=1, descending=True, stable=True).indices[:, : places.shape[1]]
    places = places.sort(dim=1).values
    return places.gather(1, scores.gather(1, places).sort(dim=1, descending=True, stable=True).indices)


class VectorIndex:
    """Vectors in a faiss index, searched by inner product: for galleries of millions.

    Args:
        vectors: [K, E] floats.
        kind: "flat" compares with all of them; "ivf" sorts them into cells first and compares with those in the nearest cells
            only, so that it may miss some.
        cells: how many cells; None takes 4 times the square root of K, as faiss advises.
        probes: how many of the nearest cells are looked into.

    Raises:
        MissingExtraError: where faiss is not installed.
        ValueError: for numbers out of range.
    """

    def __init__(self, vectors: Tensor, kind: Index = "flat", cells: int | None = None, probes: int = 32) -> None:
        if kind not in ("flat", "ivf"):
            raise ValueError(f"kind must be flat or ivf, got {kind!r}")
        if len(vectors) == 0:
            raise ValueError("vectors must hold at least one vector, got none")
        count, width = vectors.shape
        cells = min(count, round(4 * math.sqrt(count))) if cells is None else cells
        if not 1 <= cells <= count:
            raise ValueError(f"cells must lie in [1, {count}], got {cells}")
        if probes < 1:
            raise ValueError(f"probes must be at least 1, got {probes}")
        faiss = _faiss()
        rows = vectors.float().cpu().contiguous().numpy()
        self.width = width
        self._index: Any = faiss.IndexFlatIP(width)
        if kind == "ivf":
            self._quantizer = self._index  # faiss does not keep it alive
            self._index = faiss.IndexIVFFlat(self._quantizer, width, cells, faiss.METRIC_INNER_PRODUCT)
            self._index.nprobe = min(probes, cells)
            self._index.cp.min_points_per_centroid = 1  # else a warning for small galleries
            self._index.train(rows)
        self._index.add(rows)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: Tensor, k: int) -> Found:
        """The best vectors of each query [Q, E]."""
        if queries.ndim != 2 or queries.shape[1] != self.width:
            raise ValueError(f"queries must be [Q, {self.width}], got {list(queries.shape)}")
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        scores, places = self._index.search(queries.float().cpu().contiguous().numpy(), min(k, len(self)))
        return Found(torch.from_numpy(scores), torch.from_numpy(places))


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtraError("faiss-cpu", "faiss") from None
    return faiss
