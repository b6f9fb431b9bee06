"""What a benchmark sees of the two things it brings together: a model and a data set.

Dimensions: N images, M texts, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from torch import Tensor

from concord.types import Embeddings, Pair, RawImage

Query = Literal["image", "text"]


class Scorer(Protocol):
    """A model under test. It alone decides what a score is; a benchmark only compares scores, and higher is better.

    Scores may have any range and sign, but no ceiling: probabilities that saturate at 1 make ties, and ties are misses.
    """

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        """What the model keeps of N images."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """What the model keeps of M texts."""
        ...

    def score(self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Query = "image") -> Tensor:
        """How well each text fits each image, [N, M]; `query` says which side searches the other, where that matters."""
        ...

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        """How well each class fits each image, [N, C]; a class is described by one or more prompts."""
        ...


class Reader(Protocol):
    """A data set under test, with random access."""

    @property
    def name(self) -> str:
        """Stands in the names of the records."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair:
        """One example.

        Raises:
            DataError: where this example cannot be read; benchmarks leave it out and say so.
        """
        ...
