"""Data sets and models with known answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from concord.errors import DataError
from concord.items import Item
from concord.types import Embeddings, Pair, RawImage


def picture(number: int) -> np.ndarray:
    """A small picture that carries a number, which `FakeScorer` reads back."""
    image = np.zeros((200, 160, 3), dtype=np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = number // 65536, number // 256 % 256, number % 256
    return image


class FakeReader:
    """Pairs from memory; pictures carry the place of the pair."""

    def __init__(
        self,
        captions: Sequence[Sequence[str]],
        metadata: Sequence[dict[str, Any]] | None = None,
        class_names: list[str] | None = None,
        name: str = "fake",
        broken: Sequence[int] = (),
    ) -> None:
        self.captions = captions
        self.metadata = metadata
        self.name = name
        self.broken = set(broken)
        if class_names is not None:
            self.class_names = class_names

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, index: int) -> Pair:
        if index in self.broken:
            raise DataError("no such picture")
        metadata = {} if self.metadata is None else self.metadata[index]
        return Pair(picture(index), tuple(self.captions[index]), f"key-{index}", self.name, metadata)


class FakeItems:
    """Of each picture of a reader one question: its first caption, or a text that is wrong."""

    def __init__(self, images: FakeReader, wrong: Callable[[int], str], subset: str = "swap") -> None:
        self.images = images
        self.name = images.name
        self.items = [Item(f"item-{i}", "texts", (i,), (own[0], wrong(i)), subset=subset) for i, own in enumerate(images.captions)]


class FakeScorer:
    """Scores from a function of the picture's number and the text. Embeddings hold numbers to look them up with.

    Attributes:
        images, texts: how many were embedded so far.
    """

    def __init__(self) -> None:
        self.known: list[str] = []
        self.images = 0
        self.texts = 0
        self.queries: list[str] = []

    def value(self, image: int, text: str) -> float:
        raise NotImplementedError

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        self.images += len(images)
        numbers = []
        for image in images:
            assert isinstance(image, np.ndarray)
            numbers.append(int(image[0, 0] @ np.array([65536, 256, 1])))
        return Embeddings(torch.tensor(numbers, dtype=torch.float32)[:, None])

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        self.texts += len(texts)
        start = len(self.known)
        self.known += texts
        return Embeddings(torch.arange(start, start + len(texts), dtype=torch.float32)[:, None])

    def score(
        self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Literal["image", "text"] = "image"
    ) -> Tensor:
        assert isinstance(images, Embeddings)
        assert isinstance(texts, Embeddings)
        self.queries.append(query)
        numbers = images.vectors[:, 0].long().tolist()
        words = [self.known[place] for place in texts.vectors[:, 0].long().tolist()]
        return torch.tensor([[self.value(number, word) for word in words] for number in numbers], dtype=torch.float64)

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        columns = [self.score(images, self.embed_texts(group)).mean(dim=1) for group in prompts]
        return torch.stack(columns, dim=1)


class Oracle(FakeScorer):
    """High where the text belongs to the image, low elsewhere, in a range of choice."""

    def __init__(self, right: Sequence[Sequence[str]], high: float = 1.0, low: float = 0.0) -> None:
        super().__init__()
        self.right = [set(texts) for texts in right]
        self.high, self.low = high, low

    def value(self, image: int, text: str) -> float:
        return self.high if text in self.right[image] else self.low


class Collapsed(FakeScorer):
    """The same for everything; computed in ways that differ in the last bit, as matrix products do."""

    def value(self, image: int, text: str) -> float:
        return 0.3 * (1 + 1e-7 * ((image * 7919 + sum(text.encode())) % 5))


class Guessing(FakeScorer):
    """A random score for each pair, the same whenever it is asked."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    def value(self, image: int, text: str) -> float:
        digest = blake2b(f"{self.seed}/{image}/{text}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


class Table(FakeScorer):
    """A given score for each image and text."""

    def __init__(self, scores: np.ndarray, texts: Sequence[str]) -> None:
        super().__init__()
        self.scores = scores
        self.column = {text: place for place, text in enumerate(texts)}

    def value(self, image: int, text: str) -> float:
        return float(self.scores[image, self.column[text]])
