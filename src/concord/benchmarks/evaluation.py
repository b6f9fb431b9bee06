"""One model under test: reading examples, embedding them once, and writing down what was found."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from concord.benchmarks.protocol import Reader, Scorer
from concord.errors import DataError
from concord.types import Embeddings, Pair, RawImage

log = logging.getLogger(__name__)

CHUNK = 256
"""Pictures that are held at one time."""


@dataclass(frozen=True)
class Examples:
    """What a benchmark keeps of N examples; the pictures are read again where they are shown.

    Attributes:
        indices: [N] places in the reader.
        pairs: [N] the examples, without their pictures.
        images: [N] their embedded pictures.
    """

    reader: Reader
    indices: list[int]
    pairs: list[Pair]
    images: Embeddings

    def __len__(self) -> int:
        return len(self.pairs)

    def picture(self, row: int) -> RawImage:
        """The image of one example, as the source gives it."""
        return self.reader[self.indices[row]].image

    def take(self, rows: Sequence[int]) -> Examples:
        """Some of the examples, in the order of the rows."""
        chosen = torch.tensor(rows)
        return Examples(self.reader, [self.indices[row] for row in rows], [self.pairs[row] for row in rows], self.images[chosen])


class Evaluation:
    """One run of a bench over one model. It lives as long as the run, so that nothing outlives a change of the model.

    Args:
        scorer: the model.
        likelihood: the same model scored by its caption likelihood, if it has one.
        seed: of subsets, shown examples and the bootstrap.
        bootstrap: number of resamples.
        gallery: examples to show per question.
    """

    def __init__(self, scorer: Scorer, likelihood: Scorer | None = None, seed: int = 0, bootstrap: int = 1000, gallery: int = 16) -> None:
        self.scorer = scorer
        self.likelihood = likelihood
        self.seed = seed
        self.bootstrap = bootstrap
        self.gallery = gallery
        self._embedded: dict[tuple[int, Reader, int | None], Examples] = {}

    def generator(self, *names: str) -> np.random.Generator:
        """Random numbers that depend on the seed and on what they are for, not on what ran before."""
        return np.random.default_rng([self.seed, zlib.crc32("/".join(names).encode())])

    def examples(self, reader: Reader, limit: int | None = None, scorer: Scorer | None = None) -> Examples:
        """Read and embed a data set. Tasks that ask for the same one, or for an equal one, share the work.

        Args:
            reader: the data set.
            limit: at most so many examples, a random subset by the seed; None takes all.
            scorer: which one embeds; by default `self.scorer`.

        Raises:
            DataError: where no example can be read.
        """
        scorer = self.scorer if scorer is None else scorer
        key = (id(scorer), reader, limit)
        if key not in self._embedded:
            self._embedded[key] = embed(reader, self._subset(reader, limit), scorer)
        return self._embedded[key]

    def shown(self, count: int, name: str) -> list[int]:
        """Which of so many examples go to the gallery: a random few, the same in every run of the same seed."""
        chosen = self.generator("gallery", name).permutation(count)[: self.gallery]
        return sorted(chosen.tolist())

    def _subset(self, reader: Reader, limit: int | None) -> list[int]:
        if limit is None or limit >= len(reader):
            return list(range(len(reader)))
        return sorted(self.generator("subset", reader.name).choice(len(reader), size=limit, replace=False).tolist())


def embed(reader: Reader, indices: Sequence[int], scorer: Scorer) -> Examples:
    """Read and embed examples, a few hundred pictures at a time; what cannot be read is left out, with a warning.

    Raises:
        DataError: where no example can be read, with the commonest cause.
    """
    causes: Counter[str] = Counter()
    places: list[int] = []
    pairs: list[Pair] = []
    parts: list[Embeddings] = []
    for chunk in _chunks(reader, indices, causes):
        for readable, embedded in _embed_readable(scorer, chunk, causes):
            parts.append(embedded)
            places += [index for index, _ in readable]
            pairs += [replace(pair, image=b"") for _, pair in readable]
    commonest = f" (mostly: {causes.most_common(1)[0][0]})" if causes else ""
    if not pairs:
        raise DataError(f"{reader.name}: none of {len(indices)} examples can be read{commonest}")
    if causes:
        log.warning("%s: %d of %d examples cannot be read and are left out%s", reader.name, causes.total(), len(indices), commonest)
    return Examples(reader, places, pairs, Embeddings.cat(parts))


Chunk = list[tuple[int, Pair]]


def _chunks(reader: Reader, indices: Sequence[int], causes: Counter[str]) -> Iterator[Chunk]:
    """Examples with their places, a few hundred at a time."""
    chunk: Chunk = []
    for index in indices:
        try:
            chunk.append((index, reader[index]))
        except DataError as error:
            causes[str(error)] += 1
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _embed_readable(scorer: Scorer, chunk: Chunk, causes: Counter[str]) -> Iterator[tuple[Chunk, Embeddings]]:
    """The chunk embedded; where a picture in it is broken, by halves, until the broken ones stand alone."""
    try:
        yield chunk, scorer.embed_images([pair.image for _, pair in chunk])
    except DataError as error:
        if len(chunk) == 1:
            causes[str(error)] += 1
            return
        half = len(chunk) // 2
        yield from _embed_readable(scorer, chunk[:half], causes)
        yield from _embed_readable(scorer, chunk[half:], causes)
