"""One model under test: reading examples, embedding them once on all processes, and drawing what is random."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks.collapsed import Collapsed, same
from concord.benchmarks.protocol import Featured, Reader, Scorer
from concord.distributed import Ranks
from concord.errors import DataError, IncompatibleError
from concord.images import encoded_bytes
from concord.types import Embeddings, Pair, RawImage

log = logging.getLogger(__name__)

CHUNK = 256
"""Pictures that are read and embedded together. The parts of the work never depend on the number of processes, so that its
result does not either."""

TEXTS = 1024
"""Texts that are embedded together."""

Look = Literal["embedding", "features"]
"""What is kept of a picture: its embedding, or the image tower's output before the projection."""


@dataclass(frozen=True)
class Examples:
    """What a benchmark keeps of N examples; the pictures are read again where they are shown.

    Attributes:
        indices: [N] places in the reader.
        pairs: [N] the examples, without their pictures.
        images: [N] their embedded pictures.
        checksum: of keys, pictures, captions and labels, in order.
    """

    reader: Reader
    indices: list[int]
    pairs: list[Pair]
    images: Embeddings
    checksum: str = ""

    def __len__(self) -> int:
        return len(self.pairs)

    def picture(self, row: int) -> RawImage:
        """The image of one example, as the source gives it."""
        return self.reader[self.indices[row]].image

    def take(self, rows: Sequence[int]) -> Examples:
        """Some of the examples, in the order of the rows."""
        chosen = torch.tensor(rows)
        indices, pairs = [self.indices[row] for row in rows], [self.pairs[row] for row in rows]
        return Examples(self.reader, indices, pairs, self.images[chosen], self.checksum)


class Evaluation:
    """One run of a bench over one model. It lives as long as the run, so that nothing outlives a change of the model.

    All processes call the same methods in the same order, and get the same answers.

    Args:
        scorer: the model.
        others: the same model scored in other ways, by name, such as its caption likelihood.
        seed: of subsets, shown examples and the bootstrap.
        bootstrap: number of resamples; 0 leaves intervals out.
        gallery: examples to show per question.
        ranks: the processes that share the work.
    """

    def __init__(
        self,
        scorer: Scorer,
        others: Mapping[str, Scorer] | None = None,
        seed: int = 0,
        bootstrap: int = 1000,
        gallery: int = 16,
        ranks: Ranks | None = None,
    ) -> None:
        self.scorer = scorer
        self.others = dict(others or {})
        self.seed = seed
        self.bootstrap = bootstrap
        self.gallery = gallery
        self.ranks = Ranks() if ranks is None else ranks
        self._embedded: dict[tuple[int, Reader, int | None, Look], Examples] = {}
        self._original: Evaluation | None = None

    def collapsed(self) -> Evaluation:
        """The same evaluation of a collapsed model: it reads nothing again, and shows and resamples nothing."""
        other = Evaluation(Collapsed(), {name: Collapsed() for name in self.others}, self.seed, 0, 0, self.ranks)
        other._original = self
        return other

    def generator(self, *names: str) -> np.random.Generator:
        """Random numbers that depend on the seed and on what they are for, not on what ran before."""
        return np.random.default_rng([self.seed, zlib.crc32("/".join(names).encode())])

    def examples(self, reader: Reader, limit: int | None = None, scorer: Scorer | None = None, look: Look = "embedding") -> Examples:
        """Read and embed a data set. Tasks that ask for the same one, or for an equal one, share the work.

        Args:
            reader: the data set.
            limit: at most so many examples, a random subset by the seed; None takes all.
            scorer: which one embeds; by default `self.scorer`.
            look: what is kept of each picture.

        Raises:
            DataError: where no example can be read.
            IncompatibleError: for features of a scorer that has none.
        """
        if self._original is not None:
            examples = self._original.examples(reader, limit, look=look)
            return replace(examples, images=same(len(examples)))
        scorer = self.scorer if scorer is None else scorer
        key = (id(scorer), reader, limit, look)
        if key not in self._embedded:
            self._embedded[key] = embed(reader, self._subset(reader, limit), scorer, look, self.ranks)
        return self._embedded[key]

    def texts(self, texts: Sequence[str], scorer: Scorer | None = None) -> Embeddings:
        """Embed texts on all processes; each part holds texts of like length, so that little is padded."""
        scorer = self.scorer if scorer is None else scorer
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = [order[start : start + TEXTS] for start in range(0, len(order), TEXTS)]
        embedded = self.ranks.spread(parts, lambda part: scorer.embed_texts([texts[index] for index in part]))
        return Embeddings.cat(embedded)[torch.tensor(order).argsort()]

    def class_scores(self, images: Embeddings, prompts: Sequence[Sequence[str]], scorer: Scorer | None = None) -> Tensor:
        """How well each class fits each image, [N, C], see `Scorer.score_classes`; the classes are shared out to the processes."""
        scorer = self.scorer if scorer is None else scorer
        parts = _portions(prompts)
        return torch.cat(self.ranks.spread(parts, lambda part: scorer.score_classes(images, part).cpu()), dim=1)

    def shown(self, count: int, name: str) -> list[int]:
        """Which of so many examples go to the gallery: a random few, the same in every run of the same seed."""
        chosen = self.generator("gallery", name).permutation(count)[: self.gallery]
        return sorted(chosen.tolist())

    def _subset(self, reader: Reader, limit: int | None) -> list[int]:
        if limit is None or limit >= len(reader):
            return list(range(len(reader)))
        return sorted(self.generator("subset", reader.name).choice(len(reader), size=limit, replace=False).tolist())


def embed(reader: Reader, indices: Sequence[int], scorer: Scorer, look: Look = "embedding", ranks: Ranks | None = None) -> Examples:
    """Read and embed examples, a few hundred pictures at a time; what cannot be read is left out, with a warning.

    Raises:
        DataError: where no example can be read, with the commonest cause.
        IncompatibleError: for features of a scorer that has none.
    """
    if look == "features" and not isinstance(scorer, Featured):
        raise IncompatibleError(f"{reader.name}: this model shows no features before its projection; probe its embeddings instead")
    chunks = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
    parts = (Ranks() if ranks is None else ranks).spread(chunks, lambda chunk: _read_and_embed(reader, chunk, scorer, look))
    causes: Counter[str] = sum((part.causes for part in parts), Counter())
    pairs = [pair for part in parts for _, pair in part.chunk]
    commonest = f" (mostly: {causes.most_common(1)[0][0]})" if causes else ""
    if not pairs:
        raise DataError(f"{reader.name}: none of {len(indices)} examples can be read{commonest}")
    if causes:
        log.warning("%s: %d of %d examples cannot be read and are left out%s", reader.name, causes.total(), len(indices), commonest)
    images = Embeddings.cat([embedded for part in parts for embedded in part.embedded])
    checksum = blake2b("".join(part.digest for part in parts).encode(), digest_size=8).hexdigest()
    return Examples(reader, [index for part in parts for index, _ in part.chunk], pairs, images, checksum)


Chunk = list[tuple[int, Pair]]


@dataclass(frozen=True)
class _Part:
    """What came of some neighbouring examples."""

    chunk: Chunk
    embedded: list[Embeddings]
    causes: Counter[str]
    digest: str


def _read_and_embed(reader: Reader, indices: Sequence[int], scorer: Scorer, look: Look) -> _Part:
    causes: Counter[str] = Counter()
    chunk: Chunk = []
    for index in indices:
        try:
            chunk.append((index, reader[index]))
        except DataError as error:
            causes[str(error)] += 1
    readable, embedded = _embed_readable(scorer, chunk, causes, look) if chunk else ([], [])
    hashed = blake2b(digest_size=8)
    for _, pair in readable:
        for word in (pair.key, *pair.captions, str(pair.metadata.get("label", ""))):
            hashed.update(word.encode("utf-8", "backslashreplace") + b"\0")
        hashed.update(encoded_bytes(pair.image))
    return _Part([(index, replace(pair, image=b"")) for index, pair in readable], embedded, causes, hashed.hexdigest())


def _embed_readable(scorer: Scorer, chunk: Chunk, causes: Counter[str], look: Look) -> tuple[Chunk, list[Embeddings]]:
    """The chunk embedded; where a picture in it is broken, by halves, until the broken ones stand alone."""
    images = [pair.image for _, pair in chunk]
    try:
        if look == "features":
            assert isinstance(scorer, Featured)
            return chunk, [scorer.embed_features(images)]
        return chunk, [scorer.embed_images(images)]
    except DataError as error:
        if len(chunk) == 1:
            causes[str(error)] += 1
            return [], []
    half = len(chunk) // 2
    first, second = (_embed_readable(scorer, part, causes, look) for part in (chunk[:half], chunk[half:]))
    return first[0] + second[0], first[1] + second[1]


def _portions(groups: Sequence[Sequence[str]]) -> list[list[Sequence[str]]]:
    """Whole groups, together of about `TEXTS` texts."""
    portions: list[list[Sequence[str]]] = [[]]
    size = 0
    for group in groups:
        if size >= TEXTS:
            portions.append([])
            size = 0
        portions[-1].append(group)
        size += len(group)
    return portions
