"""Models that know the colours of segmented images, and the boxes of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks import RegionPick, Segmentation
from concord.benchmarks.classification.prompts import prompts_of
from concord.benchmarks.dense.regions import Regions
from concord.images import decode
from concord.items import IGNORED
from concord.types import Embeddings, PatchAttention, RawImage
from tests.data.benchmarks.dense_fixtures import numbers_of


class Colours:
    """Every pixel of its own is a patch, in the direction of its class; a shift makes all cosines negative."""

    patch_size = 1

    def __init__(self, task: Segmentation, low: float = 0.0) -> None:
        self.low = low
        self.classes = len(task.words)
        self.label_of_text = {
            text: label for label, own in enumerate(task.words) for group in prompts_of(own, task.wording.templates) for text in group
        }
        self.label_of = np.zeros(256, dtype=np.int64)
        for index in range(len(task.reader.images)):
            pixels, mask = np.asarray(decode(task.reader.images[index].image)), task.reader.mask(index)
            self.label_of[numbers_of(pixels)[mask != IGNORED]] = mask[mask != IGNORED]

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(torch.eye(self.classes)[[self.label_of_text[text] for text in texts]])

    def embed_patches(self, pixels: Tensor, attention: PatchAttention = "vanilla") -> tuple[Tensor, tuple[int, int]]:
        labels = self.label_of[numbers_of(pixels.permute(0, 2, 3, 1).numpy())]
        return torch.eye(self.classes)[labels].flatten(1, 2) + self.low, pixels.shape[-2:]

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        raise AssertionError("segmentation embeds no whole images")

    def score(
        self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Literal["image", "text"] = "image"
    ) -> Tensor:
        raise AssertionError("segmentation scores no whole images")

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        raise AssertionError("segmentation scores no whole images")


class Pointing:
    """Knows the box of every sentence, by the pictures that stand for it."""

    def __init__(self, task: RegionPick, high: float = 1.0, low: float = 0.0) -> None:
        self.high, self.low = high, low
        self.fitting: dict[str, set[bytes]] = {}
        for one in task.reader.references:
            for view in task.views:
                looks = Regions(task.reader.images, tuple((one.image, region) for region in one.gold), view)
                text = task.template.replace("{}", one.sentence)
                self.fitting.setdefault(text, set()).update(decode(looks[place].image).tobytes() for place in range(len(looks)))
        self.seen: list[bytes] = []
        self.read: list[str] = []

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        self.seen += [decode(image).tobytes() for image in images]
        return Embeddings(torch.arange(len(self.seen) - len(images), len(self.seen)).float()[:, None])

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        self.read += texts
        return Embeddings(torch.arange(len(self.read) - len(texts), len(self.read)).float()[:, None])

    def score(
        self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Literal["image", "text"] = "image"
    ) -> Tensor:
        assert isinstance(images, Embeddings)
        assert isinstance(texts, Embeddings)
        pictures = [self.seen[int(place)] for place in images.vectors[:, 0]]
        words = [self.read[int(place)] for place in texts.vectors[:, 0]]
        return torch.tensor([[self.high if picture in self.fitting[word] else self.low for word in words] for picture in pictures])

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        raise AssertionError("sentences are no classes")
