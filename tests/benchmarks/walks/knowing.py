"""Models of known answers for tasks of every kind: one that knows all answers, and one that says the same of everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from concord.benchmarks import (
    ComposedRetrieval,
    Compositional,
    Diagnostics,
    ObjectBias,
    Openness,
    RegionPick,
    Retrieval,
    Segmentation,
    Sts,
    Task,
    TextOrder,
    ZeroShotClassification,
    ZeroShotMultiLabel,
)
from concord.benchmarks.classification.prompts import prompts_of
from concord.benchmarks.dense.regions import Regions
from concord.benchmarks.probes.seen import Probe
from concord.benchmarks.protocol import Query
from concord.benchmarks.retrieval.captions import as_they_are, by_language, controlled
from concord.images import decode, encoded_bytes
from concord.items import IGNORED, Images, Item
from concord.types import Embeddings, Pair, PatchAttention, RawImage

OWN = 10.0
"""How well a caption fits its own image; more than any grade that judges give."""


class Model:
    """What all of them share. Scores are products of vectors, plus a shift."""

    pairwise = False
    symmetric = True
    patch_size = 16

    def __init__(self, shift: float = 0.0) -> None:
        self.shift = shift

    def embed_images(self, images: Sequence[RawImage]) -> Embeddings:
        return Embeddings(torch.from_numpy(np.stack([self.of_image(encoded_bytes(image)) for image in images])).float())

    def embed_features(self, images: Sequence[RawImage]) -> Embeddings:
        return self.embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        return Embeddings(torch.from_numpy(np.stack([self.of_text(text) for text in texts])).float())

    def embed_patches(self, pixels: Tensor, attention: PatchAttention = "vanilla") -> tuple[Tensor, tuple[int, int]]:
        rows, columns = (side // self.patch_size for side in pixels.shape[-2:])
        cut = pixels.unfold(2, self.patch_size, self.patch_size).unfold(3, self.patch_size, self.patch_size)
        patches = cut.permute(0, 2, 3, 4, 5, 1).reshape(-1, self.patch_size, self.patch_size, 3).numpy()
        vectors = torch.from_numpy(np.stack([self.of_patch(patch) for patch in patches])).float()
        return vectors.reshape(len(pixels), rows * columns, -1), (rows, columns)

    def score(self, images: Embeddings | Sequence[RawImage], texts: Embeddings | Sequence[str], query: Query = "image") -> Tensor:
        assert isinstance(images, Embeddings)
        assert isinstance(texts, Embeddings)
        return images.vectors @ texts.vectors.T + self.shift

    def score_classes(self, images: Embeddings, prompts: Sequence[Sequence[str]]) -> Tensor:
        return torch.stack([self.score(images, self.embed_texts(group)).mean(dim=1) for group in prompts], dim=1)

    def logits(self, scores: Tensor) -> Tensor:
        return 100 * scores

    def of_image(self, image: bytes) -> np.ndarray:
        raise NotImplementedError

    def of_text(self, text: str) -> np.ndarray:
        raise NotImplementedError

    def of_patch(self, patch: np.ndarray) -> np.ndarray:
        return self.of_image(patch.tobytes())


class Hashing(Model):
    """A vector of chance for each picture and each text."""

    def of_image(self, image: bytes) -> np.ndarray:
        return np.random.default_rng(crc32(image)).normal(size=8)

    def of_text(self, text: str) -> np.ndarray:
        return self.of_image(text.encode())


class Same(Model):
    """One vector for everything, but for the last bits, as they come out of a network that collapsed."""

    def of_image(self, image: bytes) -> np.ndarray:
        number = crc32(image)
        return np.array([0.6, 0.8]) * (1 + 5e-8 * np.array([number % 5 - 2, number // 5 % 5 - 2]))

    def of_text(self, text: str) -> np.ndarray:
        return self.of_image(text.encode())


class Knowing(Model):
    """Has read the answers to a task. Each picture has a direction of its own, or for a probe that of its class; texts point to
    the pictures that they fit.

    Args:
        task: what it will be asked.
        shift: added to all scores, which are at most `OWN` without it.
    """

    def __init__(self, task: Task, shift: float = 0.0) -> None:
        super().__init__(shift)
        self.pictures: dict[bytes, dict[int, float]] = {}
        self.texts: dict[str, dict[int, float]] = {}
        self.colours: dict[bytes, dict[int, float]] = {}
        for kind, learn in LESSONS.items():
            if isinstance(task, kind):
                learn(self, task)
                break
        else:
            raise LookupError(f"nobody knows the answers to a {type(task).__name__}: add it to LESSONS in {__name__}")
        known = (self.pictures, self.texts, self.colours)
        self.width = 1 + max(place for vectors in known for vector in vectors.values() for place in vector)

    def see(self, pair: Pair) -> int:
        """The direction of a picture."""
        return next(iter(self.pictures.setdefault(encoded_bytes(pair.image), {len(self.pictures): 1.0})))

    def fits(self, texts: Sequence[str], place: int, weight: float = 1.0) -> None:
        for text in texts:
            own = self.texts.setdefault(text, {})
            own[place] = max(weight, own.get(place, weight))

    def of_image(self, image: bytes) -> np.ndarray:
        return self._vector(self.pictures[image])

    def of_text(self, text: str) -> np.ndarray:
        return self._vector(self.texts.get(text, {}))

    def of_patch(self, patch: np.ndarray) -> np.ndarray:
        middle = patch[self.patch_size // 2, self.patch_size // 2]
        return self._vector(self.colours.get(shade(middle), {}))

    def _vector(self, entries: Mapping[int, float]) -> np.ndarray:
        vector = np.zeros(self.width)
        vector[list(entries)] = list(entries.values())
        return vector


def shade(pixel: np.ndarray) -> bytes:
    """A colour without what JPEG changes of it."""
    return (pixel // 16).tobytes()


def readable(images: Images) -> list[Pair]:
    return [images[index] for index in range(len(images))]


def classes(model: Knowing, task: ZeroShotClassification | Openness) -> None:
    prompts = task.wording.prompts()
    for pair in readable(task.reader):
        model.fits(prompts[pair.metadata["label"]], model.see(pair))


def findings(model: Knowing, task: ZeroShotMultiLabel) -> None:
    prompts, denials = task.wording.prompts(), None if task.denial is None else task.denial.prompts()
    for reader in (task.reader, task.validation):
        for pair in [] if reader is None else readable(reader):
            place = model.see(pair)
            for c, label in enumerate(pair.metadata["labels"]):
                if label == 1:
                    model.fits(prompts[c], place)
                elif denials is not None:
                    model.fits(denials[c], place)


def captions(model: Knowing, task: Retrieval) -> None:
    pairs = readable(task.reader)
    whole = as_they_are(pairs)
    variants = by_language(pairs, task.reader.name) if task.by_language else [whole, *(controlled(whole, how, 0) for how in task.controls)]
    for variant in variants:
        for row, own in zip(variant.rows, variant.captions, strict=True):
            model.fits([task.prefix + text for text in own], model.see(pairs[row]), OWN)
    if task.match == "label":
        for pair in pairs:
            for other in pairs:
                if pair.metadata["label"] == other.metadata["label"]:
                    model.fits([task.prefix + text for text in other.captions], model.see(pair), OWN)
    if task.relevance:
        judgements(model, task, pairs)


def judgements(model: Knowing, task: Retrieval, pairs: Sequence[Pair]) -> None:
    image_of = {pair.key: model.see(pair) for pair in pairs}
    named = {str(name): text for pair in pairs for name, text in zip(pair.metadata["caption_ids"], pair.captions, strict=True)}
    for relevance in task.relevance.values():
        grades = [(image, text, grade) for image, fits in relevance.captions_of.items() for text, grade in fits.items()]
        grades += [(image, text, grade) for text, fits in relevance.images_of.items() for image, grade in fits.items()]
        for image, text, grade in grades:
            if image in image_of and text in named:
                model.fits([named[text]], image_of[image], grade)


def questions(model: Knowing, task: Compositional) -> None:
    places = [model.see(pair) for pair in readable(task.reader.images)]
    for item in task.reader.items:
        for text, image in right_of(item):
            model.fits([text], places[image])


def right_of(item: Item) -> list[tuple[str, int]]:
    """Texts and the images that they fit."""
    if item.form == "match":
        return list(zip(item.texts, item.images, strict=True))
    if item.form == "texts":
        return [(text, item.images[0]) for text in item.texts[: item.right]]
    return [(item.texts[0], image) for image in item.images[: item.right]]


def compositions(model: Knowing, task: ComposedRetrieval) -> None:
    """A change leads away from the picture that it is about."""
    places = [model.see(pair) for pair in readable(task.reader.images)]
    for query in task.reader.queries:
        for rank, target in enumerate(query.targets):
            model.fits(query.texts, places[target], 1.0 - 0.1 * rank)
        model.fits(query.texts, places[query.reference], -1.0)


def scenes(model: Knowing, task: ObjectBias) -> None:
    for pair in readable(task.reader):
        place = model.see(pair)
        model.fits(pair.captions[:1], place)
        for (text,) in prompts_of(pair.metadata["objects"], [task.template]):
            model.fits([text], place)


def labels(model: Knowing, task: Probe) -> None:
    for reader in (task.train, task.reader, getattr(task, "validation", None)):
        for pair in [] if reader is None else readable(reader):
            own = pair.metadata.get("labels") or [float(c == pair.metadata["label"]) for c in range(len(task.class_names))]
            model.pictures[encoded_bytes(pair.image)] = {c: float(label or 0) for c, label in enumerate(own)}
    for c, prompts in enumerate(prompts_of(task.class_names, getattr(task, "templates", None) or ["{}"])):
        model.fits(prompts, c)


def pairs_of(model: Knowing, task: Diagnostics | TextOrder) -> None:
    for pair in readable(task.reader):
        model.fits(pair.captions[:1], model.see(pair))


def likenesses(model: Knowing, task: Sts) -> None:
    """The cosine of two sentences is their score, brought to [0, 1]."""
    scores = [pair.score for pair in task.reader.pairs]
    for pair in task.reader.pairs:
        cosine = (pair.score - min(scores)) / (max(scores) - min(scores))
        model.texts[pair.second] = {0: cosine, 1: (1 - cosine**2) ** 0.5}
        model.texts[pair.first] = {0: 1.0}


def pixels(model: Knowing, task: Segmentation) -> None:
    """The colour of a pixel tells its class."""
    for index, pair in enumerate(readable(task.reader.images)):
        picture, mask = np.asarray(decode(pair.image)), task.reader.mask(index)
        for label in np.unique(mask[mask != IGNORED]).tolist():
            y, x = (side[len(side) // 2] for side in np.nonzero(mask == label))
            model.colours[shade(picture[y, x])] = {label: 1.0}
    for label, words in enumerate(task.words):
        for prompts in prompts_of(words, task.wording.templates):
            model.fits(prompts, label)


def boxes(model: Knowing, task: RegionPick) -> None:
    for one in task.reader.references:
        for view in task.views:
            looks = readable(Regions(task.reader.images, tuple((one.image, region) for region in one.regions), view))
            for region, look in zip(one.regions, looks, strict=True):
                place = model.see(look)
                if any(region.iou(gold) > 0.5 for gold in one.gold):
                    model.fits([task.template.replace("{}", one.sentence)], place)


LESSONS: dict[type[Task], Callable[[Knowing, Any], None]] = {
    ZeroShotClassification: classes,
    Openness: classes,
    ZeroShotMultiLabel: findings,
    Retrieval: captions,
    Compositional: questions,
    ComposedRetrieval: compositions,
    ObjectBias: scenes,
    Probe: labels,
    RegionPick: boxes,
    Segmentation: pixels,
    Diagnostics: pairs_of,
    TextOrder: pairs_of,
    Sts: likenesses,
}
