"""One model under test: reading examples, embedding them once on all processes, and drawing what is random."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks.cache import EmbeddingCache, ModelCache
from concord.benchmarks.collapsed import Collapsed, same
from concord.benchmarks.protocol import Featured, Grouped, Reader, Scorer
from concord.benchmarks.reading import CHUNK, Examples, Look, Part, embed_parts
from concord.distributed import Ranks
from concord.errors import DataError
from concord.types import Embeddings

__all__ = ["Evaluation", "Examples", "log"]

log = logging.getLogger(__name__)

TEXTS = 1024
"""Texts that are embedded together."""


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
        cache: where embeddings are kept between runs.

    Attributes:
        embedded: how many pictures were read and embedded so far, on all processes.
    """

    def __init__(
        self,
        scorer: Scorer,
        others: Mapping[str, Scorer] | None = None,
        seed: int = 0,
        bootstrap: int = 1000,
        gallery: int = 16,
        ranks: Ranks | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self.scorer = scorer
        self.others = dict(others or {})
        self.seed = seed
        self.bootstrap = bootstrap
        self.gallery = gallery
        self.ranks = Ranks() if ranks is None else ranks
        self.embedded = 0
        self._cache = cache
        self._kept: dict[int, ModelCache | None] = {}
        self._examples: dict[tuple[int, Reader, int | None, Look], Examples] = {}
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

        What cannot be read is left out, with a warning.

        Args:
            reader: the data set.
            limit: at most so many examples, a random subset by the seed; None takes all.
            scorer: which one embeds; by default `self.scorer`.
            look: what is kept of each picture.

        Raises:
            DataError: where no example can be read, with the commonest cause.
            IncompatibleError: for features of a scorer that has none.
        """
        if self._original is not None:
            examples = self._original.examples(reader, limit, look=look)
            return replace(examples, images=same(len(examples)))
        scorer = self.scorer if scorer is None else scorer
        key = (id(scorer), reader, limit, look)
        if key not in self._examples:
            self._examples[key] = self._embed(reader, self.subset(reader, limit), scorer, look)
        return self._examples[key]

    def subset(self, reader: Reader, limit: int | None) -> list[int]:
        """The places of at most so many examples, a random subset by the seed, in order; None takes all."""
        if limit is None or limit >= len(reader):
            return list(range(len(reader)))
        return sorted(self.generator("subset", reader.name).choice(len(reader), size=limit, replace=False).tolist())

    def deepest_look(self) -> Look:
        """What probes see of a picture: the features before the projection where the model shows them, else its embedding."""
        if self._original is not None:
            return self._original.deepest_look()
        return "features" if isinstance(self.scorer, Featured) else "embedding"

    def texts(self, texts: Sequence[str], scorer: Scorer | None = None) -> Embeddings:
        """Embed texts on all processes; each part holds texts of like length, so that little is padded."""
        scorer = self.scorer if scorer is None else scorer
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = [order[start : start + TEXTS] for start in range(0, len(order), TEXTS)]
        embedded = self.ranks.spread(parts, lambda part: self._embed_texts([texts[index] for index in part], scorer))
        return Embeddings.cat(embedded)[torch.tensor(order).argsort()]

    def class_scores(self, images: Embeddings, prompts: Sequence[Sequence[str]], scorer: Scorer | None = None) -> Tensor:
        """How well each class fits each image, [N, C], see `Scorer.score_classes`; the classes are shared out to the processes."""
        scorer = self.scorer if scorer is None else scorer
        strips = self.ranks.spread(_portions(prompts), lambda part: self._class_scores(images, part, scorer).cpu())
        return torch.cat(strips, dim=1)

    def shown(self, count: int, name: str) -> list[int]:
        """Which of so many examples go to the gallery: a random few, the same in every run of the same seed."""
        chosen = self.generator("gallery", name).permutation(count)[: self.gallery]
        return sorted(chosen.tolist())

    def _embed(self, reader: Reader, indices: Sequence[int], scorer: Scorer, look: Look) -> Examples:
        shelf = self._kept_of(scorer)
        chunks = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
        parts = self.ranks.spread_in_turn(chunks, lambda own: embed_parts(reader, own, scorer, look, shelf))
        self.embedded += sum(len(part.indices) for part in parts if not part.kept)
        return _join(reader, parts)

    def _embed_texts(self, texts: Sequence[str], scorer: Scorer) -> Embeddings:
        kept = self._kept_of(scorer)
        if kept is None:
            return scorer.embed_texts(texts)
        embedded = kept.load_texts(texts)
        if embedded is None:
            embedded = scorer.embed_texts(texts)
            kept.keep_texts(texts, embedded)
        return embedded

    def _class_scores(self, images: Embeddings, prompts: Sequence[Sequence[str]], scorer: Scorer) -> Tensor:
        if not isinstance(scorer, Grouped):
            return scorer.score_classes(images, prompts)
        texts = self._embed_texts([prompt for group in prompts for prompt in group], scorer)
        return scorer.score_groups(images, texts, [len(group) for group in prompts])

    def _kept_of(self, scorer: Scorer) -> ModelCache | None:
        if id(scorer) not in self._kept:
            self._kept[id(scorer)] = None if self._cache is None else self._cache.of(scorer)
        return self._kept[id(scorer)]


def _join(reader: Reader, parts: Sequence[Part]) -> Examples:
    causes: Counter[str] = sum((part.causes for part in parts), Counter())
    pairs = [pair for part in parts for pair in part.pairs]
    tried = len(pairs) + causes.total()
    commonest = f" (mostly: {causes.most_common(1)[0][0]})" if causes else ""
    if not pairs:
        raise DataError(f"{reader.name}: none of {tried} examples can be read{commonest}")
    if causes:
        log.warning("%s: %d of %d examples cannot be read and are left out%s", reader.name, causes.total(), tried, commonest)
    checksum = blake2b("".join(part.checksum for part in parts).encode(), digest_size=8).hexdigest()
    images = Embeddings.cat([part.images for part in parts if part.images is not None])
    return Examples(reader, [index for part in parts for index in part.indices], pairs, images, checksum)


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
